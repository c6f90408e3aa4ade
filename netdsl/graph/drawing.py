"""The layout of a picture: boxes, lines and texts, in points, with y downwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.graph import theme
from netdsl.graph.figure_nodes import Facts
from netdsl.graph.text_metrics import text_width

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]
Entry: TypeAlias = Literal["arrow", "line", "none"]


class Box(NamedTuple):
    """A `node` is a part of the network, a `frame` is around other items, a `sheet` is behind a node.

    `panel` is the letter of the panel that shows a block, in the node of the block and in the panel's frame.
    """

    kind: Literal["node", "frame", "sheet"]
    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    radius: float = 3
    dashed: bool = False
    facts: Facts = ()
    panel: str = ""

    def moved(self, dx: float, dy: float) -> Box:
        return self._replace(x=self.x + dx, y=self.y + dy)


class Text(NamedTuple):
    """`x` is the position of its `anchor`, `y` of its baseline."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool = False
    anchor: Anchor = "middle"

    @property
    def width(self) -> float:
        return text_width(self.text, self.size, self.bold)

    @property
    def left(self) -> float:
        return self.x - self.width * {"start": 0, "middle": 0.5, "end": 1}[self.anchor]

    def moved(self, dx: float, dy: float) -> Text:
        return self._replace(x=self.x + dx, y=self.y + dy)


def middle_text(
    x: float,
    middle: float,
    text: str,
    size: float,
    colour: str = theme.INK,
    *,
    bold: bool = False,
    anchor: Anchor = "middle",
) -> Text:
    """A text whose letters are centred vertically at `middle`."""
    return Text(x, middle + 0.35 * size, text, size, colour, bold, anchor)


class Line(NamedTuple):
    """A line through points, with round corners; an arrow has a head at its end."""

    points: tuple[Point, ...]
    arrow: bool = False

    def moved(self, dx: float, dy: float) -> Line:
        return self._replace(points=tuple((x + dx, y + dy) for x, y in self.points))


Item: TypeAlias = Box | Text | Line


@dataclass(frozen=True, slots=True)
class Drawing:
    title: str
    width: float
    height: float
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """Items in a rectangle with its upper left corner at the origin."""

    width: float
    height: float
    items: tuple[Item, ...]

    def at(self, x: float, y: float) -> tuple[Item, ...]:
        return tuple(item.moved(x, y) for item in self.items)


@dataclass(frozen=True, slots=True)
class Piece(Area):
    """A part of a drawing with its input at the upper edge and its output at the lower edge, both at `axis`.

    `entry` is the end of the edge to it: an arrow, a line that continues inside, or "none" without an input.
    """

    axis: float
    entry: Entry = "arrow"

    def edge(self, x: float, y: float, length: float) -> tuple[Line, ...]:
        """The edge to the piece from a point above it."""
        if self.entry == "none":
            return ()
        return (Line(((x, y), (x, y + length)), arrow=self.entry == "arrow"),)


def right_edge(items: Iterable[Item]) -> float:
    """The right end of the rightmost item."""
    return max(map(_right, items))


def _right(item: Item) -> float:
    match item:
        case Box():
            return item.x + item.width
        case Text():
            return item.left + item.width
        case Line():
            return max(x for x, _ in item.points)
