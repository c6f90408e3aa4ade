"""Sizes and colours. The colours are tints of the palette of Okabe and Ito (2008), which colour-blind readers
can tell apart; every box says in words what it is, so that a print in grey loses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

INK = "#1b1f24"
LINE = "#3d444d"
QUIET = "#59636e"
FRAME = "#c3cad2"
PAPER = "#ffffff"
CARD = "#f6f8fa"
LOOP = "#8c959f"

# Text.
TITLE, NAME, LABEL, SMALL = 17.0, 10.5, 10.0, 8.5
# Boxes and the space between them.
HEAVY, LIGHT = 19.0, 14.5
PADDING = 7.0
GLUE = 1.5
GAP = 17.0
ASIDE = 16.0
INSET = 9.0
# Lines.
STROKE, HEAD, CORNER = 0.9, 4.5, 5.0
# The picture: about as wide as the text of a page, so that its letters are not much smaller.
WIDEST = 780.0
MARGIN = 16.0
BETWEEN = 14.0


class Look(NamedTuple):
    fill: str
    stroke: str


FAMILIES = {
    "conv": Look("#b9d8ee", "#2f77a8"),
    "linear": Look("#ade0cf", "#1b8567"),
    "norm": Look("#f7f0b2", "#a3962b"),
    "activation": Look("#fbd9a0", "#b97a10"),
    "pool": Look("#e6c3d8", "#a4527f"),
    "rearrange": Look("#e4e7eb", "#7d8791"),
    "regularise": Look("#f4f5f7", "#9aa3ac"),
    "scale": Look("#f5cdb6", "#b8582a"),
}
OTHER = FAMILIES["rearrange"]
BLOCK = Look("#ffffff", "#1b1f24")
JOIN = Look("#ffffff", "#3d444d")
MARK = Look("#ffffff", "#9aa3ac")

# Operations of these families belong to the layer that they stand beside;
# norms and activations may stand before it.
LIGHTS = {"norm", "activation", "regularise", "scale"}
LEADERS = {"norm", "activation"}
