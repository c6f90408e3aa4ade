"""The panels of a picture: one for each variant of a block."""

from __future__ import annotations

from netdsl.graph import theme
from netdsl.graph.chain_pieces import BADGE, beside, chain_piece, heading, heading_width
from netdsl.graph.drawing import Area, Box, Item, Line, Text
from netdsl.graph.figure_nodes import Figure, Panel
from netdsl.graph.labels import listed, shape_text
from netdsl.graph.text_metrics import text_width, wrapped

# The smallest width of the lines of a block's signature.
SIGNATURE = 84.0


def panels(figure: Figure) -> Area:
    """All panels side by side, in rows."""
    items: list[Item] = []
    x = y = tallest = widest = 0.0
    for panel in map(_panel, figure.panels):
        if x and x + panel.width > theme.WIDEST:
            x, y, tallest = 0.0, y + tallest + theme.BETWEEN, 0.0
        items += panel.at(x, y)
        x += panel.width + theme.BETWEEN
        tallest = max(tallest, panel.height)
        widest = max(widest, x - theme.BETWEEN)
    return Area(widest, y + tallest, tuple(items))


def _panel(panel: Panel) -> Area:
    inside = _flow(panel)
    title = heading_width(panel.name)
    lines = wrapped(listed(panel.parameters), theme.SMALL, max(inside.width, title, SIGNATURE))
    inner = max(inside.width, title, *(text_width(line, theme.SMALL) for line in lines), 0)
    head = 2 * BADGE + 4 + 11.5 * len(lines)
    width, height = inner + 2 * theme.INSET, theme.INSET + head + 4 + inside.height + theme.INSET
    items: list[Item] = [
        Box("frame", 0, 0, width, height, theme.PAPER, theme.FRAME, 6, facts=panel.facts, panel=panel.letter),
        *heading(theme.INSET, theme.INSET - 1 + BADGE, panel.letter, panel.name),
    ]
    for index, line in enumerate(lines):
        y = theme.INSET + 2 * BADGE + 4 + 8 + 11.5 * index
        items.append(Text(theme.INSET, y, line, theme.SMALL, theme.QUIET, anchor="start"))
    items += inside.at(theme.INSET + (inner - inside.width) / 2, theme.INSET + head + 4)
    return Area(width, height, tuple(items))


def _flow(panel: Panel) -> Area:
    """The chain of a block, its input and its output."""
    piece = chain_piece(panel.chain, panel.input)
    top, end = theme.GAP, theme.GAP + piece.height
    items: list[Item] = list(piece.at(0, top))
    items += piece.edge(piece.axis, 0, top)
    items.append(Line(((piece.axis, end), (piece.axis, end + theme.GAP)), arrow=True))
    width = piece.width
    for shape, y in ((panel.input, top / 2), (panel.output, end + theme.GAP / 2)):
        if shape:
            label = beside(piece.axis, y, shape_text(shape))
            items.append(label)
            width = max(width, label.x + label.width)
    return Area(width, end + theme.GAP, tuple(items))
