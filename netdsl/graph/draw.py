"""Figure to Drawing: a heading, the parts of the network from left to right, and the blocks below."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.graph import theme
from netdsl.graph.block_panels import panels
from netdsl.graph.drawing import Area, Drawing, Item, Text, right_edge
from netdsl.graph.figure_nodes import Figure
from netdsl.graph.labels import cut, listed
from netdsl.graph.overview import overview
from netdsl.graph.text_metrics import text_width, wrapped

# The smallest width of the heading, which may be wider than the network.
NARROWEST = 320.0
# The most lines of a caption; longer ones are cut.
MOST_LINES = 3


def draw(figure: Figure) -> Drawing:
    """The drawing of a figure: from top to bottom heading, cards, panels."""
    parts = [overview(figure), panels(figure)]
    parts.insert(0, _heading(figure, max(NARROWEST, *(part.width for part in parts))))
    items: list[Item] = []
    y = theme.MARGIN
    for part in parts:
        if part.items:
            items += part.at(theme.MARGIN, y)
            y += part.height + theme.BETWEEN
    width = max(part.width for part in parts)
    height = y - theme.BETWEEN
    return Drawing(figure.name, width + 2 * theme.MARGIN, height + theme.MARGIN, tuple(items))


def _heading(figure: Figure, width: float) -> Area:
    items: list[Item] = []
    y = theme.TITLE
    items.append(Text(0, y - 3, figure.name, theme.TITLE, theme.INK, bold=True, anchor="start"))
    beside = text_width(figure.name, theme.TITLE, bold=True) + 10
    settings = ", ".join(figure.settings)
    if settings and beside + text_width(settings, theme.LABEL) <= width:
        items.append(Text(beside, y - 3, settings, theme.LABEL, theme.QUIET, anchor="start"))
    elif settings:
        y = _lines(items, y, listed(figure.settings), width)
    y = _lines(items, y, map(cut, figure.caption.split()), width)
    y = _lines(items, y, figure.totals.split(), width)
    return Area(right_edge(items), y + 4, tuple(items))


def _lines(items: list[Item], y: float, words: Iterable[str], width: float) -> float:
    lines = wrapped(words, theme.LABEL, width)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} …"]
    for line in lines:
        y += 13.5
        items.append(Text(0, y, line, theme.LABEL, theme.QUIET, anchor="start"))
    return y
