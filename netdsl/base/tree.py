"""Visiting and replacing the nodes of a tree, the same for the syntax tree and for every IR.

A node is a named tuple. Its bodies are the fields whose declared type names one: `body: Body`,
`shortcut: Body | None`, `branches: tuple[Body, ...]`, `cases: tuple[tuple[Expr, Body], ...]`. A body is a
tuple of steps, or has them as `steps`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span

T = TypeVar("T")


def bodies(step: Any) -> tuple[Any, ...]:
    """The bodies inside a step, in textual order. The body of a called block isn't inside the call."""
    fields = _body_fields(cast(type, type(step)))
    return tuple(body for field in fields for body in field.read(getattr(step, field.name))) if fields else ()


def with_bodies(step: T, new: Sequence[Any]) -> T:
    """The step with other bodies, as many as `bodies` returns."""
    left = iter(new)
    fields = _body_fields(cast(type, type(step)))
    changed = {field.name: field.replaced(getattr(step, field.name), left) for field in fields}
    replaced: T = step._replace(**changed) if fields else step  # type: ignore[attr-defined]
    return replaced


def map_bodies(step: T, change: Callable[[Any], Any]) -> T:
    """The step with each of its bodies changed."""
    return with_bodies(step, [change(body) for body in bodies(step)])


def steps(body: Any) -> Iterator[Any]:
    """The steps of a body at any depth, in textual order, without those of called blocks."""
    for step in getattr(body, "steps", body):
        yield step
        for inner in bodies(step):
            yield from steps(inner)


def nested(node: object, kind: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    """The nodes of a kind in a tree, itself included, in textual order. Not recursive: a sum may be long."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, kind):
            yield node
        if isinstance(node, (tuple, list)):
            left.extend(reversed(node))


def around(node: object, place: Span) -> Iterator[Any]:
    """The nodes around a place, from the outermost to the innermost."""
    span = getattr(node, "span", None)
    if isinstance(span, Span):
        if not (span.start <= place.start and place.end <= span.end):
            return
        yield node
    for part in node if isinstance(node, tuple) else ():
        yield from around(part, place)


class _BodyField(NamedTuple):
    """A field that holds a body, a tuple of bodies, or a tuple of pairs with a body as their `item`."""

    name: str
    several: bool
    item: int | None

    def read(self, value: Any) -> Iterator[Any]:
        if not self.several:
            yield from () if value is None else (value,)
        else:
            yield from value if self.item is None else (pair[self.item] for pair in value)

    def replaced(self, value: Any, new: Iterator[Any]) -> Any:
        if not self.several:
            return None if value is None else next(new)
        if self.item is None:
            return tuple(next(new) for _ in value)
        return tuple((*pair[: self.item], next(new), *pair[self.item + 1 :]) for pair in value)


@cache
def _body_fields(cls: type) -> tuple[_BodyField, ...]:
    found = []
    for name, declared in cls.__annotations__.items() if hasattr(cls, "_fields") else ():
        if re.search(r"Body\b", declared):
            pair = re.match(r"tuple\[tuple\[(.*?),", declared)
            index = None if pair is None else 0 if "Body" in pair[1] else 1
            found.append(_BodyField(name, declared.startswith("tuple["), index))
    return tuple(found)
