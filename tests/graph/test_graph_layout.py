"""The layout of pictures: nothing overlaps, and everything can be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.graph.draw import draw
from netdsl.graph.drawing import Box, Drawing, Line, Text
from netdsl.graph.figure import figure
from netdsl.graph.figure_nodes import BlockNode, BranchesNode, LoopNode, MarkNode, SkipNode
from netdsl.graph.svg import svg
from netdsl.graph.text_metrics import text_width
from netdsl.graph.theme import FAMILIES, INK
from netdsl.ir.typed import TypedNetwork
from tests.support import strategies
from tests.support.graphs import NETWORKS, typed


def overlap(a: Box, b: Box, least: float = 0.01) -> bool:
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    return across > least and min(a.y + a.height, b.y + b.height) - max(a.y, b.y) > least


def inside(a: Box, b: Box) -> bool:
    return (
        a.x >= b.x - 0.01
        and a.y >= b.y - 0.01
        and a.x + a.width <= b.x + b.width + 0.01
        and a.y + a.height <= b.y + b.height + 0.01
    )


def extent(text: Text) -> Box:
    """The area of a text's letters, without the rare ones that go far below the line."""
    return Box("frame", text.left, text.y - 0.72 * text.size, text.width, 0.75 * text.size, "", "")


def segments(line: Line) -> Iterator[Box]:
    for (x1, y1), (x2, y2) in zip(line.points, line.points[1:], strict=False):
        assert x1 == x2 or y1 == y2, "a line runs askew"
        yield Box(
            "frame", min(x1, x2) - 0.4, min(y1, y2) - 0.4, abs(x1 - x2) + 0.8, abs(y1 - y2) + 0.8, "", ""
        )


def assert_tidy(drawing: Drawing) -> None:
    boxes = [item for item in drawing.items if isinstance(item, Box)]
    shown = [box for box in boxes if box.kind == "node"]
    frames = [box for box in boxes if box.kind == "frame"]
    texts = [(item.text, extent(item)) for item in drawing.items if isinstance(item, Text)]
    paths = [box for item in drawing.items if isinstance(item, Line) for box in segments(item)]
    page = Box("frame", 0, 0, drawing.width, drawing.height, "", "")
    assert all(inside(box, page) for box in (*boxes, *paths, *(extent for _, extent in texts)))
    assert not [pair for pair in combinations(shown, 2) if overlap(*pair)]
    for frame in frames:
        for box in (*frames, *shown):
            assert inside(frame, box) or inside(box, frame) or not overlap(frame, box)
    for text, extent_ in texts:
        assert not [other for other, at in texts if at is not extent_ and overlap(at, extent_)], text
        assert all(
            inside(extent_, box) for box in boxes if box.kind != "sheet" and overlap(extent_, box)
        ), text
        assert not any(overlap(extent_, path) for path in paths), text
    for path in paths:
        assert not any(overlap(path, box, 0.5) for box in shown)


@pytest.mark.parametrize("network", NETWORKS)
def test_nothing_overlaps_and_every_text_fits(network: TypedNetwork) -> None:
    assert_tidy(draw(figure(network)))


@settings(max_examples=25, deadline=None)
@given(strategies.networks())
def test_any_network_is_drawn(text: str) -> None:
    network = compile_network(Source("random.net", text)).network
    if network is not None:
        drawing = draw(figure(network))
        assert_tidy(drawing)
        ElementTree.fromstring(svg(drawing))


@pytest.mark.parametrize(("font", "bold"), [("Helvetica", False), ("Helvetica-Bold", True)])
def test_widths_are_those_of_helvetica(font: str, bold: bool) -> None:
    metrics = Path(matplotlib.get_data_path(), "fonts/pdfcorefonts", f"{font}.afm").read_text()
    found = re.findall(r"^C (\d+) ; WX (\d+) ;", metrics, re.MULTILINE)
    assert len(found) > 100
    for code, width in found:
        if int(code) < 127:
            # The font has typographic quotes in the place of the straight ones.
            assert chr(int(code)) in "'`" or text_width(chr(int(code)), 1000, bold) == int(width)


def test_bodies_that_do_nothing_are_lines() -> None:
    text = "layers { e, skip { }, add { | identity | identity }, repeat 3 { }, repeat 0 { relu }, save a }"
    shown = figure(typed("network nothing\ninput 12\nblock e { }\n" + text))
    assert [type(node) for node in shown.cards[0].chain] == [
        BlockNode, SkipNode, BranchesNode, LoopNode, MarkNode,
    ]  # fmt: skip
    assert_tidy(draw(shown))


# Linear RGB as the three kinds of colour blindness see it (Machado et al. 2009, severity 1.0).
EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = np.cbrt(XYZ @ rgb / XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
def test_colours_can_be_told_apart(eye: str) -> None:
    seen = {name: lab(np.clip(EYES[eye] @ linear(look.fill), 0, 1)) for name, look in FAMILIES.items()}
    near = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(seen, 2)}
    assert min(near.values()) > 11, min(near, key=lambda pair: near[pair])


def test_letters_stand_out_from_their_boxes() -> None:
    def luminance(colour: str) -> float:
        return float(XYZ[1] @ linear(colour)) + 0.05

    for look in FAMILIES.values():
        assert luminance(look.fill) / luminance(INK) > 7  # WCAG 2, level AAA
