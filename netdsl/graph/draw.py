"""Figure to Drawing: a heading, the parts of the network from left to right, the blocks below them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from netdsl.graph import style
from netdsl.graph.drawing import Box, Drawing, Item, Line, Piece, Text, moved
from netdsl.graph.labels import shape_text
from netdsl.graph.metrics import text_width, wrapped
from netdsl.graph.model import Card, Chain, Figure, Node, Panel
from netdsl.graph.pieces import BADGE, badge, chain_piece, groups, stacked
from netdsl.ops.base import Shape

# A card with a longer chain shows it in columns.
TALLEST = 250.0
INSET = 9.0
CAPTION = 15.0
BETWEEN = 14.0
# The signature of a block is written in lines of at least this width.
SIGNATURE = 84.0
# A heading may be wider than the network, and its caption so long.
NARROWEST = 320.0
CAPTION_LINES = 3


def draw(figure: Figure) -> Drawing:
    """The drawing of a figure, one below the other: heading, cards, panels."""
    cards = _cards(figure)
    panels = _panels([_panel(panel) for panel in figure.panels])
    heading = _heading(figure, max(cards.width, panels.width, NARROWEST))
    width = max(part.width for part in (heading, cards, panels))
    items: list[Item] = []
    y = style.MARGIN
    for part in (heading, cards, panels):
        if part.items:
            items += part.at(style.MARGIN, y)
            y += part.height + BETWEEN
    return Drawing(figure.name, width + 2 * style.MARGIN, y - BETWEEN + style.MARGIN, tuple(items))


class _Block(NamedTuple):
    """Items in a rectangle."""

    width: float
    height: float
    items: tuple[Item, ...]

    def at(self, x: float, y: float) -> tuple[Item, ...]:
        return moved(self.items, x, y)


def _heading(figure: Figure, width: float) -> _Block:
    items: list[Item] = []
    y = style.TITLE
    items.append(Text(0, y - 3, figure.name, style.TITLE, style.INK, bold=True, anchor="start"))
    beside = text_width(figure.name, style.TITLE, bold=True) + 10
    settings = ", ".join(figure.settings)
    if settings and beside + text_width(settings, style.LABEL) <= width:
        items.append(Text(beside, y - 3, settings, style.LABEL, style.QUIET, anchor="start"))
    elif settings:
        y = _lines(items, y, [f"{text}," for text in figure.settings[:-1]] + [figure.settings[-1]], width)
    y = _lines(items, y, figure.caption.split(), width)
    y = _lines(items, y, figure.totals.split(), width)
    return _Block(_right(items), y + 4, tuple(items))


def _lines(items: list[Item], y: float, words: Sequence[str], width: float) -> float:
    lines = wrapped(words, style.LABEL, width)
    if len(lines) > CAPTION_LINES:
        lines = [*lines[: CAPTION_LINES - 1], f"{lines[CAPTION_LINES - 1]} …"]
    for line in lines:
        y += 13.5
        items.append(Text(0, y, line, style.LABEL, style.QUIET, anchor="start"))
    return y


# the parts of the network


class _Row(NamedTuple):
    """Cards side by side; `leads` are the widths of the edges before them."""

    cards: list[_Block]
    leads: list[float]
    labels: list[str]

    @property
    def width(self) -> float:
        return sum(card.width for card in self.cards) + sum(self.leads)

    @property
    def height(self) -> float:
        return max(card.height for card in self.cards)


def _cards(figure: Figure) -> _Block:
    blocks = [_card(card) for card in figure.cards]
    labels = [shape_text(card.input) for card in figure.cards]
    end = shape_text(figure.cards[-1].output)
    outer = _lead("input") + _lead(end) + 2
    rows = _balanced(blocks, labels, style.WIDEST - outer)
    items: list[Item] = []
    y = 0.0
    start = text_width("input", style.LABEL) + 4
    for number, row in enumerate(rows):
        x = start if number == 0 else 10.0
        middle = y + row.height / 2
        if number == 0:
            items.append(
                Text(0, middle + style.LABEL * 0.35, "input", style.LABEL, style.INK, anchor="start")
            )
        for place, (block, lead, label) in enumerate(zip(row.cards, row.leads, row.labels, strict=True)):
            if number == 0 or place:
                items.append(Line(((x, middle), (x + lead, middle)), arrow=True))
            items.append(Text(x + lead / 2 - 1, middle - 4, label, style.SMALL, style.QUIET))
            x += lead
            items += block.at(x, middle - block.height / 2)
            x += block.width
        if number + 1 < len(rows):
            below = y + row.height + 11
            next_row = rows[number + 1]
            target = below + 11 + next_row.height / 2
            ways = ((x, middle), (x + 12, middle), (x + 12, below), (2.0, below), (2.0, target))
            items.append(Line((*ways, (10.0 + next_row.leads[0], target)), arrow=True))
            y = below + 11
        else:
            lead = _lead(end)
            items.append(Line(((x, middle), (x + lead, middle)), arrow=True))
            items.append(Text(x + lead / 2 - 1, middle - 4, end, style.SMALL, style.QUIET))
            x += lead + 4
            items.append(
                Text(x, middle + style.LABEL * 0.35, "output", style.LABEL, style.INK, anchor="start")
            )
            y += row.height
    return _Block(_right(items), y, tuple(items))


def _right(items: Sequence[Item]) -> float:
    edges = [0.0]
    for item in items:
        if isinstance(item, Box):
            edges.append(item.x + item.width)
        elif isinstance(item, Text):
            edges.append(item.left + item.width)
        else:
            edges += [x for x, _ in item.points]
    return max(edges)


def _lead(label: str) -> float:
    return text_width(label, style.SMALL) + 14


def _balanced(blocks: Sequence[_Block], labels: Sequence[str], widest: float) -> list[_Row]:
    """As few rows as there can be, and none much shorter than the others."""
    rows = _filled(blocks, labels, widest)
    narrower = widest
    while narrower > 100 and len(tighter := _filled(blocks, labels, narrower)) == len(rows):
        rows = tighter
        narrower -= 10
    return rows


def _filled(blocks: Sequence[_Block], labels: Sequence[str], widest: float) -> list[_Row]:
    rows: list[_Row] = []
    for block, label in zip(blocks, labels, strict=True):
        lead = _lead(label)
        if not rows or rows[-1].width + lead + block.width > widest:
            rows.append(_Row([], [], []))
        rows[-1].cards.append(block)
        rows[-1].leads.append(lead)
        rows[-1].labels.append(label)
    return rows


def _card(card: Card) -> _Block:
    content = _columns(card.chain, card.input)
    title = text_width(card.title, style.SMALL, bold=True)
    inner = max(content.width, title)
    width, height = inner + 2 * INSET, content.height + CAPTION + INSET + 3
    items: tuple[Item, ...] = (
        Box("frame", 0, 0, width, height, style.CARD, style.FRAME, radius=6, facts=card.facts),
        Text(width / 2, 12, card.title, style.SMALL, style.QUIET, bold=True),
        *content.at(INSET + (inner - content.width) / 2, CAPTION + 3),
    )
    return _Block(width, height, items)


def _columns(chain: Chain, entering: Shape) -> _Block:
    """A chain in as many columns as keep it low."""
    parts = groups(chain)
    whole = stacked(parts, entering)
    count = min(math.ceil(whole.height / TALLEST), len(parts))
    if count <= 1:
        return _Block(whole.width, whole.height, whole.items)
    pieces: list[tuple[Piece, str]] = []
    shape: Shape | None = entering
    for column in _split(parts, count, whole.height / count):
        before = shape_text(shape) if shape and pieces else ""
        pieces.append((stacked(column, shape), before))
        shape = column[-1][-1].output or shape
    top, channel = style.GAP, 14.0
    items: list[Item] = []
    x = 0.0
    low = max(piece.height for piece, _ in pieces) + top
    for index, (piece, label) in enumerate(pieces):
        axis = x + piece.axis
        if index:
            y = 2.0
            last, _ = pieces[index - 1]
            before_x = x - channel - last.width + last.axis
            end = top + last.height
            turn = x - channel / 2
            ways = ((before_x, end), (before_x, low + 5), (turn, low + 5), (turn, y), (axis, y), (axis, top))
            items.append(Line(ways, arrow=True))
            items.append(Text(axis + 5, top - 4, label, style.SMALL, style.QUIET, anchor="start"))
        items += piece.at(x, top)
        x += max(piece.width, piece.axis + 5 + text_width(label, style.SMALL)) + channel
    return _Block(x - channel, low + 6, tuple(items))


def _split(parts: Sequence[list[Node]], count: int, height: float) -> list[list[list[Node]]]:
    """The parts in at most `count` columns; `height` is that of one of them, if all were equal."""
    columns: list[list[list[Node]]] = [[]]
    for part in parts:
        if columns[-1] and stacked([*columns[-1], part], None).height > height:
            columns.append([])
        columns[-1].append(part)
    return columns if len(columns) <= count else _split(parts, count, height * 1.05)


# the blocks


def _panel(panel: Panel) -> _Block:
    inside = _flow(panel)
    words = [f"{text}," for text in panel.parameters[:-1]] + list(panel.parameters[-1:])
    title = 2 * BADGE + 5 + text_width(panel.name, style.NAME, bold=True)
    lines = wrapped(words, style.SMALL, max(inside.width, title, SIGNATURE))
    inner = max(inside.width, title, *(text_width(line, style.SMALL) for line in lines), 0)
    head = 2 * BADGE + 4 + 11.5 * len(lines)
    width, height = inner + 2 * INSET, INSET + head + 4 + inside.height + INSET
    items: list[Item] = [
        Box("frame", 0, 0, width, height, style.PAPER, style.FRAME, radius=6, facts=panel.facts),
        *badge(INSET, INSET - 1, panel.letter),
        Text(
            INSET + 2 * BADGE + 5,
            INSET - 1 + BADGE + style.NAME * 0.36,
            panel.name,
            style.NAME,
            style.INK,
            bold=True,
            anchor="start",
        ),
    ]
    for index, line in enumerate(lines):
        y = INSET + 2 * BADGE + 4 + 8 + 11.5 * index
        items.append(Text(INSET, y, line, style.SMALL, style.QUIET, anchor="start"))
    items += inside.at(INSET + (inner - inside.width) / 2, INSET + head + 4)
    return _Block(width, height, tuple(items))


def _flow(panel: Panel) -> _Block:
    """The chain of a block, its input and its output."""
    piece = chain_piece(panel.chain, panel.input)
    top, end = style.GAP, style.GAP + piece.height
    items: list[Item] = list(piece.at(0, top))
    items += piece.edge(piece.axis, 0, top)
    items.append(Line(((piece.axis, end), (piece.axis, end + style.GAP)), arrow=True))
    width = piece.width
    for shape, y in ((panel.input, top / 2), (panel.output, end + style.GAP / 2)):
        if shape:
            label = Text(
                piece.axis + 5,
                y + style.SMALL * 0.3,
                shape_text(shape),
                style.SMALL,
                style.QUIET,
                anchor="start",
            )
            items.append(label)
            width = max(width, label.x + label.width)
    return _Block(width, end + style.GAP, tuple(items))


def _panels(panels: Sequence[_Block]) -> _Block:
    """Panels side by side, in rows."""
    items: list[Item] = []
    x = y = tallest = widest = 0.0
    for panel in panels:
        if x and x + panel.width > style.WIDEST:
            x, y, tallest = 0.0, y + tallest + BETWEEN, 0.0
        items += panel.at(x, y)
        x += panel.width + BETWEEN
        tallest = max(tallest, panel.height)
        widest = max(widest, x - BETWEEN)
    return _Block(widest, y + tallest, tuple(items))
