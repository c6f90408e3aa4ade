"""The blocks of a network, each of their forms once."""

from __future__ import annotations

from netdsl.graph import style
from netdsl.graph.chain_pieces import BADGE, badge, beside, chain_piece
from netdsl.graph.drawing import Area, Box, Item, Line, Text
from netdsl.graph.figure_nodes import Figure, Panel
from netdsl.graph.labels import listed, shape_text
from netdsl.graph.metrics import text_width, wrapped

# The signature of a block is written in lines of at least this width.
SIGNATURE = 84.0


def panels(figure: Figure) -> Area:
    """All panels side by side, in rows."""
    items: list[Item] = []
    x = y = tallest = widest = 0.0
    for panel in map(_panel, figure.panels):
        if x and x + panel.width > style.WIDEST:
            x, y, tallest = 0.0, y + tallest + style.BETWEEN, 0.0
        items += panel.at(x, y)
        x += panel.width + style.BETWEEN
        tallest = max(tallest, panel.height)
        widest = max(widest, x - style.BETWEEN)
    return Area(widest, y + tallest, tuple(items))


def _panel(panel: Panel) -> Area:
    inside = _flow(panel)
    title = 2 * BADGE + 5 + text_width(panel.name, style.NAME, bold=True)
    lines = wrapped(listed(panel.parameters), style.SMALL, max(inside.width, title, SIGNATURE))
    inner = max(inside.width, title, *(text_width(line, style.SMALL) for line in lines), 0)
    head = 2 * BADGE + 4 + 11.5 * len(lines)
    width, height = inner + 2 * style.INSET, style.INSET + head + 4 + inside.height + style.INSET
    items: list[Item] = [
        Box("frame", 0, 0, width, height, style.PAPER, style.FRAME, radius=6, facts=panel.facts),
        *badge(style.INSET, style.INSET - 1, panel.letter),
        Text(
            style.INSET + 2 * BADGE + 5,
            style.INSET - 1 + BADGE + style.NAME * 0.36,
            panel.name,
            style.NAME,
            style.INK,
            bold=True,
            anchor="start",
        ),
    ]
    for index, line in enumerate(lines):
        y = style.INSET + 2 * BADGE + 4 + 8 + 11.5 * index
        items.append(Text(style.INSET, y, line, style.SMALL, style.QUIET, anchor="start"))
    items += inside.at(style.INSET + (inner - inside.width) / 2, style.INSET + head + 4)
    return Area(width, height, tuple(items))


def _flow(panel: Panel) -> Area:
    """The chain of a block, its input and its output."""
    piece = chain_piece(panel.chain, panel.input)
    top, end = style.GAP, style.GAP + piece.height
    items: list[Item] = list(piece.at(0, top))
    items += piece.edge(piece.axis, 0, top)
    items.append(Line(((piece.axis, end), (piece.axis, end + style.GAP)), arrow=True))
    width = piece.width
    for shape, y in ((panel.input, top / 2), (panel.output, end + style.GAP / 2)):
        if shape:
            label = beside(piece.axis, y, shape_text(shape))
            items.append(label)
            width = max(width, label.x + label.width)
    return Area(width, end + style.GAP, tuple(items))
