"""The parts of a network from left to right, in rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.graph import theme
from netdsl.graph.chain_pieces import beside, groups, stacked
from netdsl.graph.drawing import Area, Box, Item, Line, Piece, Point, Text, middle_text, right_edge
from netdsl.graph.figure_nodes import Card, Chain, Figure, Node
from netdsl.graph.labels import shape_text
from netdsl.graph.text_metrics import text_width
from netdsl.ops.operation import Shape

# The largest height of a chain that is not split into columns, and the space between columns.
TALLEST = 250.0
CHANNEL = 14.0
# The indent of rows after the first, with room for the edge from the row before.
INDENT = 10.0
ROW_GAP = 22.0
TITLE = 18.0


class _Entered(NamedTuple):
    """A card, and the shape on the edge to it; empty if there is no edge."""

    label: str
    card: Area

    @property
    def width(self) -> float:
        return _lead(self.label) + self.card.width


def overview(figure: Figure) -> Area:
    """All cards, with the edges between them."""
    end = shape_text(figure.cards[-1].output) if figure.has_end else ""
    start = text_width("input", theme.LABEL) + 4
    room = theme.WIDEST - start - _lead(end) - text_width("output", theme.LABEL)
    entered = [_Entered(shape_text(card.input) * card.entered, _card(card)) for card in figure.cards]
    items: list[Item] = []
    x, y, before = start, 0.0, 0.0
    for number, row in enumerate(_balanced(entered, room)):
        height = max(each.card.height for each in row)
        middle = y + height / 2
        if number:
            ways = ((x, before), (x + 12, before), (x + 12, y - ROW_GAP / 2), (2.0, y - ROW_GAP / 2))
            items += [Line((*ways, (2.0, middle), (INDENT, middle)))] if row[0].label else []
            x = INDENT
        else:
            items.append(_word(0, middle, "input"))
        for label, card in row:
            items += _edge(x, middle, label) if label else ()
            x += _lead(label)
            items += card.at(x, middle - card.height / 2)
            x += card.width
        before, y = middle, y + height + ROW_GAP
    if end:
        items += (*_edge(x, before, end), _word(x + _lead(end) + 4, before, "output"))
    return Area(right_edge(items), y - ROW_GAP, tuple(items))


def _word(x: float, middle: float, text: str) -> Text:
    return middle_text(x, middle, text, theme.LABEL, anchor="start")


def _lead(label: str) -> float:
    """The length of an edge with this label."""
    return text_width(label, theme.SMALL) + 14


def _edge(x: float, y: float, label: str) -> tuple[Item, ...]:
    lead = _lead(label)
    return (
        Line(((x, y), (x + lead, y)), arrow=True),
        Text(x + lead / 2 - 1, y - 4, label, theme.SMALL, theme.QUIET),
    )


def _balanced(cards: Sequence[_Entered], room: float) -> list[list[_Entered]]:
    """Cards in the fewest rows, of nearly equal length."""
    rows = _filled(cards, room)
    widest = max(card.width for card in cards)
    while room > widest and len(tighter := _filled(cards, room)) == len(rows):
        rows = tighter
        room -= 10
    return rows


def _filled(cards: Sequence[_Entered], room: float) -> list[list[_Entered]]:
    rows: list[list[_Entered]] = []
    taken = math.inf
    for card in cards:
        if taken + card.width > room:
            rows.append([])
            taken = 0
        rows[-1].append(card)
        taken += card.width
    return rows


def _card(card: Card) -> Area:
    content = _content(card.chain, card.input)
    title = text_width(card.title, theme.SMALL, bold=True)
    inner = max(content.width, title)
    width, height = inner + 2 * theme.INSET, TITLE + content.height + theme.INSET
    items: tuple[Item, ...] = (
        Box("frame", 0, 0, width, height, theme.CARD, theme.FRAME, radius=6, facts=card.facts),
        Text(width / 2, 12, card.title, theme.SMALL, theme.QUIET, bold=True),
        *content.at(theme.INSET + (inner - content.width) / 2, TITLE),
    )
    return Area(width, height, items)


def _content(chain: Chain, entering: Shape) -> Area:
    """A chain in as many columns as its height needs."""
    parts = groups(chain)
    whole = stacked(parts, entering)
    count = min(math.ceil(whole.height / TALLEST), len(parts))
    if count <= 1:
        return whole
    return _side_by_side(list(_columns(_split(parts, count, whole.height / count), entering)))


def _split(parts: Sequence[list[Node]], count: int, height: float) -> list[list[list[Node]]]:
    """The parts in at most `count` columns; `height` is that of columns of equal height."""
    columns: list[list[list[Node]]] = [[]]
    for part in parts:
        if columns[-1] and stacked([*columns[-1], part], None).height > height:
            columns.append([])
        columns[-1].append(part)
    return columns if len(columns) <= count else _split(parts, count, height * 1.05)


class _Column(NamedTuple):
    """A column, and the shape on the edge from the one before."""

    piece: Piece
    label: str

    @property
    def width(self) -> float:
        return max(self.piece.width, self.piece.axis + 5 + text_width(self.label, theme.SMALL))


def _columns(columns: Sequence[list[list[Node]]], entering: Shape) -> Iterator[_Column]:
    shape: Shape | None = entering
    for number, column in enumerate(columns):
        yield _Column(stacked(column, shape), shape_text(shape) if shape and number else "")
        shape = column[-1][-1].output or shape


def _side_by_side(columns: Sequence[_Column]) -> Area:
    """Columns side by side, with edges from the lower end of each to the upper end of the next."""
    top = theme.GAP
    low = top + max(column.piece.height for column in columns) + 5
    items: list[Item] = []
    x = 0.0
    end: Point = (0.0, 0.0)
    for number, column in enumerate(columns):
        axis = x + column.piece.axis
        if number and column.piece.entry != "none":
            turn = x - CHANNEL / 2
            ways = (end, (end[0], low), (turn, low), (turn, 2.0), (axis, 2.0), (axis, top))
            items.append(Line(ways, arrow=column.piece.entry == "arrow"))
            items.append(beside(axis, top - 7, column.label))
        items += column.piece.at(x, top)
        end = (axis, top + column.piece.height)
        x += column.width + CHANNEL
    return Area(x - CHANNEL, low + 1, tuple(items))
