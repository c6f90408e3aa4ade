"""The instances at a place of the text: steps, blocks, stages and sections, with the paths to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import bodies
from netdsl.ir.typed import (
    Instance,
    TypedBody,
    TypedCall,
    TypedEach,
    TypedNetwork,
    TypedParameterCall,
    TypedRepeat,
    TypedSection,
    TypedStage,
    TypedStep,
)
from netdsl.ops.operation import Shape

Node: TypeAlias = TypedSection | TypedStage | Instance | TypedStep
Path: TypeAlias = tuple[str, ...]
Place: TypeAlias = tuple[str, int, int]


class Visit(NamedTuple):
    """A node where it runs: `path` is `stage 2, block 1`, then the blocks inside of that."""

    path: Path
    node: Node
    input: Shape


def is_known(shape: Shape) -> bool:
    """True if inference knows a shape: after an error it may not."""
    return bool(shape) and 0 not in shape


def place_of(span: Span) -> Place:
    return span.source.name, span.start, span.end


class Instances:
    """The runs of a network by their places in the text. Blocks without the place are passed by, so that
    the cost doesn't grow with what is nested in them.
    """

    def __init__(self, network: TypedNetwork) -> None:
        self._network = network
        self._places: dict[int, frozenset[Place]] = {}
        for instance in network.instances:  # inner blocks stand before those that call them
            found = {place_of(instance.block.span), *self._in_body(instance.body)}
            self._places[id(instance)] = frozenset(found)

    def _in_body(self, body: TypedBody) -> Iterator[Place]:
        for step in body.steps:
            yield place_of(step.step.span)
            called = _called(step)
            if called is not None:
                yield from self._places[id(called)]
            for inner, _ in _bodies(step):
                yield from self._in_body(inner)

    def visits(self, span: Span) -> Iterator[Visit]:
        """All runs of what has this span (steps with bodies: of its keyword; blocks: of their name)."""
        place = place_of(span)
        stages = 0
        for part in self._network.parts:
            if isinstance(part, TypedSection):
                if place_of(part.section.span) == place:
                    yield Visit((part.section.kind,), part, part.body.input)
                yield from self._visit_body(part.body, (part.section.kind,), place)
                continue
            stages += 1
            if place_of(part.stage.span) == place:
                yield Visit((f"stage {stages}",), part, part.runs[0][0].input)
            first = 1
            for instance, count in part.runs:
                title = f"stage {stages}, {_numbered('block', first, count)}"
                yield from self._visit_instance(instance, (title,), place)
                first += count

    def _visit_instance(self, instance: Instance, path: Path, place: Place) -> Iterator[Visit]:
        if place not in self._places[id(instance)]:
            return
        if place_of(instance.block.span) == place:
            yield Visit(path, instance, instance.input)
        yield from self._visit_body(instance.body, path, place)

    def _visit_body(self, body: TypedBody, path: Path, place: Place) -> Iterator[Visit]:
        shape = body.input
        for step in body.steps:
            here = place_of(step.step.span) == place
            if here:
                yield Visit(path, step, shape)
            called = _called(step)
            # The repeated part of a `repeat` may be a block of its own, called where the `repeat` stands.
            if called is not None and place_of(called.block.span) == place_of(step.step.span):
                yield from self._visit_body(called.body, path, place)
            elif called is not None:
                yield from self._visit_instance(called, (*path, called.block.name), place)
            for inner, title in _bodies(step):
                if not (here and isinstance(step, TypedRepeat)):
                    yield from self._visit_body(inner, (*path, title) if title else path, place)
            shape = step.output


def _called(step: TypedStep) -> Instance | None:
    """The block that a step runs."""
    if isinstance(step, TypedParameterCall):
        step = step.call
    return step.instance if isinstance(step, TypedCall) else None


def _bodies(step: TypedStep) -> Iterator[tuple[TypedBody, str]]:
    """The bodies in a step, those of a `repeat` with the numbers of their iterations, those of an `each` with
    the names of the tensors.
    """
    if isinstance(step, TypedEach):
        yield from zip(step.tensors, step.step.names, strict=True)
        return
    if not isinstance(step, TypedRepeat) or len(step.runs) == 1:
        yield from ((body, "") for body in bodies(step))
        return
    first = 1
    for body, count in step.runs:
        yield body, _numbered("iteration", first, count)
        first += count


def _numbered(what: str, first: int, count: int) -> str:
    return f"{what} {first}" if count == 1 else f"{what}s {first}–{first + count - 1}"
