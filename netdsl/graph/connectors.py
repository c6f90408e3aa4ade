"""Paths of connecting lines: straight segments, round corners, and an arrow head."""

from __future__ import annotations

import math

from netdsl.base.named_tuple import NamedTuple
from netdsl.graph import theme
from netdsl.graph.drawing import Line, Point


class Corner(NamedTuple):
    """A round corner at `at`, from `start` to `end`."""

    start: Point
    at: Point
    end: Point


class Connector(NamedTuple):
    """`head` is the triangle of an arrow, its tip first, or empty."""

    start: Point
    corners: tuple[Corner, ...]
    end: Point
    head: tuple[Point, ...]


def connector(line: Line) -> Connector:
    points = list(line.points)
    head: tuple[Point, ...] = ()
    if line.arrow:
        tip = points[-1]
        base = _towards(tip, points[-2], theme.HEAD)
        dx, dy = (tip[0] - base[0]) * 0.42, (tip[1] - base[1]) * 0.42
        head = (tip, (base[0] - dy, base[1] + dx), (base[0] + dy, base[1] - dx))
        points[-1] = base
    corners = []
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(theme.CORNER, math.dist(before, at) / 2, math.dist(at, after) / 2)
        corners.append(Corner(_towards(at, before, radius), at, _towards(at, after, radius)))
    return Connector(points[0], tuple(corners), points[-1], head)


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point at a distance from the start towards the end."""
    share = length / (math.dist(start, end) or 1)
    return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
