"""TypedNetwork to Summary: the parts with their figures, receptive fields and activations.

It follows one example through a training pass. Of equal copies, only the first and the last are followed:
those between are like the last one, except for their receptive field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Value, show
from netdsl.diagnostics import Diagnostics
from netdsl.ir import typed as ir
from netdsl.ir.resolved import FromStep, SaveStep
from netdsl.language.expressions import known
from netdsl.ops.operation import Weighted
from netdsl.shapes.error_reporter import ErrorReporter
from netdsl.shapes.joins import Joins
from netdsl.shapes.operation_result import operation_result, parameters
from netdsl.shapes.tensor_state import TensorState
from netdsl.summary.network_summary import Summary
from netdsl.summary.titles import of_block, of_operation
from netdsl.summary.tree import Figures, Part

# Bytes of a float32 number.
NUMBER = 4
# A depth that is larger than any nesting.
EVERYTHING = 1000


def measure(typed: ir.TypedNetwork, depth: int) -> Summary:
    """The network's parts in `depth` levels: 1 is sections and stages, 2 also the parts in them."""
    resolved = typed.network
    parts = _Measure().network(typed, depth)
    return Summary(
        resolved.name,
        tuple((name, show(value)) for name, value in resolved.parameters),
        resolved.span.source.name,
        resolved.input,
        typed.outputs,
        replace(sum((part.figures for part in parts), Figures()), macs=typed.cost.macs),
        typed.depth,
        typed.receptive_field,
        parts,
    )


@dataclass(slots=True, eq=False)
class _Tensor:
    """The size of a tensor, of the whole one for a view; `kept` is true once a step keeps it for the backward
    pass.
    """

    numbers: int
    kept: bool = False

    def keep(self) -> int:
        """Marks it as kept; returns the additional bytes."""
        taken = 0 if self.kept else NUMBER * self.numbers
        self.kept = True
        return taken


class _Point(NamedTuple):
    """The current tensor at a point of the network."""

    state: TensorState
    tensor: _Tensor

    def after(self, block: _Point, inside: _Tensor) -> _Point:
        """The point after a block, which was followed from its input `inside` to its end `block`."""
        self.tensor.kept |= inside.kept
        same = block.tensor is inside
        tensor = self.tensor if same else _Tensor(block.tensor.numbers, block.tensor.kept)
        return _Point(self.state.after(block.state), tensor)


class _Place(NamedTuple):
    """The context of a body: its names, the tensors saved so far, and the remaining levels of parts."""

    frame: ir.Frame
    saved: dict[str, _Point]
    levels: int

    def inner(self, body: ir.TypedBody, deeper: int = 0) -> _Place:
        return _Place(body.frame, self.saved, self.levels - deeper)


_Found: TypeAlias = tuple[tuple[Part, ...], _Point]


class _Measure:
    def __init__(self) -> None:
        # The block, its input and its end, by instance, the size of the input's tensor, whether that is kept
        # already, and levels.
        self._blocks: dict[tuple[ir.Instance, int, bool, int], tuple[Part, _Tensor, _Point]] = {}
        self._joins = Joins(ErrorReporter(Diagnostics()))

    def network(self, typed: ir.TypedNetwork, depth: int) -> tuple[Part, ...]:
        shape = typed.network.input
        point = _Point(TensorState.of_input(shape), _Tensor(math.prod(shape)))
        parts: list[Part] = []
        saved: dict[str, _Point] = {}
        for number, (name, part) in enumerate(typed.named_parts):
            start = point
            if number >= typed.evaluated:
                name = f"{name} (training)"
            if isinstance(part, ir.TypedStage):
                kind, span = "stage", part.stage.span
                inside, point = self._stage(part, point, depth - 1)
            else:
                kind, span = part.section.kind, part.section.span
                inside, point = self._body(part.body, _Place(part.body.frame, saved, depth - 1), point)
            parts.append(_container(kind, name, inside, start, point, depth - 1, span))
        return tuple(parts)

    def _stage(self, stage: ir.TypedStage, point: _Point, levels: int) -> _Found:
        blocks: list[Part] = []
        for instance, count in stage.runs:
            block = partial(self._block, instance, levels=levels, span=stage.stage.span)
            found, point = _copies(block, count, point)
            blocks += found
        return tuple(blocks), point

    def _block(self, instance: ir.Instance, point: _Point, levels: int, span: Span) -> _Found:
        """A block: followed once, relative to its input, then moved to its place."""
        numbers, kept = point.tensor.numbers, point.tensor.kept
        key = (instance, numbers, kept, max(levels, 0))
        if key not in self._blocks:
            start = _Point(TensorState(instance.input), _Tensor(numbers, kept))
            inside, end = self._body(instance.body, _Place(instance.frame, {}, levels - 1), start)
            block = _container("block", instance.block.name, inside, start, end, levels - 1, span)
            title, arguments = of_block(instance)
            self._blocks[key] = (replace(block, title=title, arguments=arguments), start.tensor, end)
        block, tensor, end = self._blocks[key]
        return (_placed(replace(block, span=span), point.state),), point.after(end, tensor)

    # steps

    def _body(self, body: ir.TypedBody, place: _Place, point: _Point) -> _Found:
        parts: list[Part] = []
        for step in body.steps:
            found, point = self._step(step, place, point)
            parts += found
        return tuple(parts), point

    def _step(self, step: ir.TypedStep, place: _Place, point: _Point) -> _Found:
        match step:
            case ir.TypedOperation():
                return self._operation(step, place.frame, point)
            case ir.TypedCall(call, instance):
                return self._block(instance, point, place.levels, call.span)
            case ir.TypedParameterCall(call=held):
                return self._step(held, place, point)
            case ir.TypedSkip():
                return self._skip(step, place, point)
            case ir.TypedBranches():
                return self._branches(step, place, point)
            case ir.TypedRepeat(runs=runs):
                return self._repeat(runs, place, point)
            case ir.TypedEach():
                return self._each(step, place)
            case ir.TypedWhen(body=body):
                return self._body(body, place.inner(body), point)
            case ir.TypedMark(SaveStep(name)):
                place.saved[name] = point
                return (), point
            case ir.TypedMark(FromStep(name)):
                return (), place.saved[name]
            case _:
                return (), point

    def _operation(self, step: ir.TypedOperation, frame: ir.Frame, point: _Point) -> _Found:
        operation = step.operation
        values = {name: known(value, frame.values) for name, value in step.step.arguments}
        done = operation_result(operation, values, step.input, step.output)
        state = point.state.through(
            step.output, done.reduction, done.window, done.deep, step.step, done.regular
        )
        saved = operation.saved_for_backward(step.input, step.output)
        tensor = point.tensor if saved.view else _Tensor(math.prod(step.output))
        activations = NUMBER * saved.numbers
        activations += point.tensor.keep() if saved.input else 0
        activations += tensor.keep() if saved.output else 0
        figures = Figures(done.cost.parameters, _frozen(step, values), done.cost.macs, activations)
        title, arguments = of_operation(type(operation), values)
        part = Part(
            "operation",
            operation.name,
            title,
            arguments,
            1,
            step.input,
            step.output,
            figures,
            state,
            step.step.span,
        )
        return (part,), _Point(state, tensor)

    def _repeat(self, runs: Iterable[tuple[ir.TypedBody, int]], place: _Place, point: _Point) -> _Found:
        parts: list[Part] = []
        for body, count in runs:

            def once(start: _Point, body: ir.TypedBody = body) -> _Found:
                return self._body(body, place.inner(body), start)

            found, point = _copies(once, count, point)
            parts += found
        return tuple(parts), point

    def _each(self, step: ir.TypedEach, place: _Place) -> _Found:
        """A part for each tensor, of which the first has the parameters."""
        parts: list[Part] = []
        for name, instance in zip(step.step.names, step.instances, strict=True):
            point = place.saved[name]
            (block,), place.saved[name] = self._block(instance, point, place.levels, step.step.span)
            title = f"each {name}"
            block = replace(block, kind="each", name=title, title=title, arguments=())
            parts.append(_with_known_weights(block) if parts else block)
        return tuple(parts), place.saved[step.step.names[-1]]

    def _skip(self, step: ir.TypedSkip, place: _Place, point: _Point) -> _Found:
        if not step.same and step.shortcut is None:  # `if same`, but the shape changes: only the body
            alone, end = self._body(step.body, place.inner(step.body), point)
            return alone, _Point(end.state.deepest(point.state), end.tensor)
        inside, end = self._body(step.body, place.inner(step.body, deeper=1), point)
        if step.drop_path:
            dropped, _ = self._operation(step.drop_path, place.frame, end)
            inside += dropped
        other = point
        if step.shortcut:
            shortcut, other = self._body(step.shortcut, place.inner(step.shortcut, deeper=2), point)
            levels = place.levels - 2
            inside += (_container("shortcut", "shortcut", shortcut, point, other, levels, step.step.span),)
        after = _Point(end.state.deepest(other.state), _Tensor(math.prod(step.output)))
        return (_container("skip", "skip", inside, point, after, place.levels - 1, step.step.span),), after

    def _branches(self, step: ir.TypedBranches, place: _Place, point: _Point) -> _Found:
        branches: list[Part] = []
        ends: list[_Point] = []
        for number, (body, span) in enumerate(zip(step.branches, step.step.spans, strict=True), 1):
            inside, end = self._body(body, place.inner(body, deeper=2), point)
            name = f"branch{number}"
            branches.append(_container("branch", name, inside, point, end, place.levels - 2, span))
            ends.append(end)
        state, _ = self._joins.joined(step.step, point.state, [end.state for end in ends])
        after = _Point(state, _Tensor(math.prod(step.output)))
        join = step.step.join
        part = _container(join, join, branches, point, after, place.levels - 1, step.step.span)
        if join == "mul":
            product = Figures(activations=_product([end.tensor for end in ends]))
            part = replace(part, figures=part.figures + product)
        return (part,), after


def _copies(once: Callable[[_Point], _Found], count: int, point: _Point) -> _Found:
    """The parts of `once`, `count` times in a row; equal parts are one part with copies."""
    parts, end = once(point)
    if count == 1:
        return parts, end
    last, after = once(_Point(point.state.repeated(end.state, count - 1), end.tensor))
    parts = tuple(_together(a, b, count - 1) for a, b in zip(parts, last, strict=True))
    return parts, _Point(point.state.repeated(end.state, count), after.tensor)


def _together(first: Part, last: Part, count: int) -> Part:
    """The part of `first` and `count` copies of `last`."""
    return replace(
        last,
        copies=first.copies + last.copies * count,
        figures=first.figures + last.figures * count,
        parts=tuple(_together(a, b, count) for a, b in zip(first.parts, last.parts, strict=True)),
    )


def _placed(part: Part, start: TensorState) -> Part:
    """A part, whose states are relative to its block's input, for a block that starts at `start`."""
    parts = tuple(_placed(inner, start) for inner in part.parts)
    return replace(part, state=start.after(part.state), parts=parts)


def _with_known_weights(part: Part) -> Part:
    """A part whose weights are counted in another one."""
    figures = replace(part.figures, parameters=0, frozen=0)
    return replace(part, figures=figures, parts=tuple(map(_with_known_weights, part.parts)))


def _container(
    kind: str, name: str, inside: Sequence[Part], start: _Point, end: _Point, levels: int, span: Span
) -> Part:
    """A part that contains others; they are listed if `levels` remain."""
    figures = sum((part.figures for part in inside), Figures())
    shown = tuple(inside) if levels > 0 else ()
    return Part(kind, name, name, (), 1, start.state.shape, end.state.shape, figures, end.state, span, shown)


def _product(tensors: Sequence[_Tensor]) -> int:
    """The bytes to keep the factors of a product, computed from left to right."""
    taken = 0
    product = tensors[0]
    for factor in tensors[1:]:
        taken += product.keep() + factor.keep()
        product = _Tensor(max(product.numbers, factor.numbers))
    return taken


def _frozen(step: ir.TypedOperation, values: Mapping[str, Value]) -> int:
    freeze = step.operation.freeze if isinstance(step.operation, Weighted) else False
    if freeze is False:
        return 0
    sizes = parameters(step.operation, values, step.input)
    return sum(size for name, size in sizes.items() if freeze is True or freeze == name)
