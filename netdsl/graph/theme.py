"""Sizes and colours. The colours are distinct for colour-blind readers: in simulations of all three kinds
(Machado et al. 2009) any two differ by at least 11 in CIELAB. Every box also has a label.
"""

from __future__ import annotations

from netdsl.base.named_tuple import NamedTuple

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
# The picture: about as wide as the text of a page, so that its letters have a similar size.
WIDEST = 780.0
MARGIN = 16.0
BETWEEN = 14.0


class Look(NamedTuple):
    fill: str
    stroke: str


FAMILIES = {
    "conv": Look("#abc9f6", "#3566ad"),
    "linear": Look("#80d6a4", "#1d7f4c"),
    "attention": Look("#ada2f2", "#4a3aa8"),
    "norm": Look("#f9ecd3", "#a98d4f"),
    "activation": Look("#f1c574", "#b97a10"),
    "pool": Look("#d3a7cb", "#8a4a7c"),
    "rearrange": Look("#d1d5da", "#7d8791"),
    "regularise": Look("#f7fafd", "#9aa3ac"),
    "scale": Look("#e89b79", "#b8582a"),
}
OTHER = FAMILIES["rearrange"]
BLOCK = Look("#ffffff", "#1b1f24")
JOIN = Look("#ffffff", "#3d444d")
MARK = Look("#ffffff", "#9aa3ac")

# Operations of these families are grouped with the layer beside them; norms and activations may precede it.
LIGHTS = {"norm", "activation", "regularise", "scale"}
LEADERS = {"norm", "activation"}
