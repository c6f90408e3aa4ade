"""Candidates for the repair of a shape error: bodies with a changed argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from fractions import Fraction
from itertools import chain
from typing import TypeAlias

from netdsl.base.source import Span
from netdsl.base.tree import steps
from netdsl.base.values import Size, Symbol, Value, normal, show
from netdsl.diagnostics import Edit, Fix, add, write
from netdsl.diagnostics.fixes import edited
from netdsl.ir.resolved import (
    BlockStep,
    Body,
    BranchesStep,
    FromStep,
    OperationStep,
    ResolvedNetwork,
    SaveStep,
    SkipStep,
    Step,
)
from netdsl.language.argument_types import schema
from netdsl.language.expressions import (
    IN,
    ONE,
    YES,
    ZERO,
    Const,
    Expr,
    Ref,
    constant,
    places_of,
    references,
    substitute,
)
from netdsl.ops import OPERATIONS
from netdsl.ops.operation import Shape
from netdsl.shapes.repair.change import Change
from netdsl.shapes.repair.projection import last_norm
from netdsl.shapes.repair.reorder import write_input
from netdsl.shapes.tensor_state import TensorState
from netdsl.syntax.tokens import closing

# The steps with arguments that can be changed.
Call: TypeAlias = OperationStep | BlockStep


def with_arguments(step: Call, given: Mapping[str, Expr], shown: str = "") -> Change:
    """The change of a call's arguments; the help has `shown` in place of their values."""
    new = step._replace(arguments=tuple({**dict(step.arguments), **given}.items()))
    return Change(
        [(step, new)], write_arguments(step, {name: shown or _shown(value) for name, value in given.items()})
    )


def made_with(
    network: ResolvedNetwork, tensor: TensorState, channels: Expr, shown: str = ""
) -> Iterator[Change]:
    """The change of the step that made a tensor after which that has other channels; the help has `shown` in
    place of them.
    """
    for step in (step for body in network.bodies for step in _calls(body)):
        if step.span == tensor.made and "out" in dict(step.arguments):
            yield with_arguments(step, {"out": channels}, shown)


def enlarging(network: ResolvedNetwork, place: Span) -> Iterator[Change]:
    """Changes of the steps before a place that enlarge maps: of single steps, then of all transposed
    convolutions at once.
    """
    steps = _before(network, place)
    for step in steps:
        yield from _with_each(step, _enlarged(dict(step.arguments)))
    given = [
        (step, _doubling(dict(step.arguments))) for step in steps if "output_padding" in dict(step.arguments)
    ]
    if given and all(doubling == given[0][1] for _, doubling in given):
        words = ", ".join(f"{name}={_shown(value)}" for name, value in given[0][1].items())
        changes = [with_arguments(step, doubling) for step, doubling in given]
        yield _together(changes, f"give the transposed convolutions `{words}`")


def _together(changes: Sequence[Change], title: str) -> Change:
    """Several changes as one."""
    pairs = [pair for change in changes for pair in change.steps]
    return Change(pairs, Fix(title, tuple(edit for change in changes for edit in change.fix.edits)))


def other_tensors(network: ResolvedNetwork, join: BranchesStep) -> Iterator[Change]:
    """Other saved tensors for the branches of a join: lines of a decoder are often copied."""
    steps = [step for step in steps_before(network, join.span) if isinstance(step, SaveStep)]
    for taken in (step for branch in join.branches for step in branch if isinstance(step, FromStep)):
        for name in (step.name for step in steps if step.name != taken.name):
            fix = write(taken.span, f"from {name}", f" in place of `from {taken.name}`")
            yield Change([(taken, taken._replace(name=name))], fix)


def backwards(network: ResolvedNetwork, channels: Expr, place: Span) -> Iterator[Change]:
    """Changes of one argument of a step before a place, the nearest step first; those that enlarge maps
    precede the others.
    """
    yield from enlarging(network, place)
    for step in _before(network, place):
        yield from _with_each(step, _changes(dict(step.arguments), {}, [channels]))


def _before(network: ResolvedNetwork, place: Span) -> list[Call]:
    """The calls before a place in its file, the nearest first."""
    return [step for step in steps_before(network, place) if isinstance(step, (OperationStep, BlockStep))]


def steps_before(network: ResolvedNetwork, place: Span) -> list[Step]:
    """The steps before a place in its file, the nearest first."""
    found = (step for body in network.bodies for step in steps(body))
    before = [s for s in found if s.span.source is place.source and s.span.start < place.start]
    return sorted(before, key=lambda step: -step.span.start)


def _with_each(step: Call, changes: Iterable[Mapping[str, Expr]]) -> Iterator[Change]:
    """The changes of a step's arguments that differ from it."""
    arguments = dict(step.arguments)
    for given in changes:
        if any(arguments[name] != value for name, value in given.items()):
            yield with_arguments(step, given)


def larger_inputs(network: ResolvedNetwork) -> Iterator[Change]:
    """The nearest larger inputs that more strides divide."""
    for divisor in (2, 4, 8, 16, 32) if len(network.input) == 3 else ():
        channels, *grid = network.input
        shape = (channels, *(-(-length // divisor) * divisor for length in grid))
        if shape != network.input:
            yield Change((), write_input(network, shape, ", which the strides divide"), shape)


def channels_of(body: Body, output: Shape, values: Mapping[str, Value]) -> list[Expr]:
    """Expressions for the output channels of a body: as in its last step, a parameter or constant with the
    value, and the number.
    """
    given = [
        dict(step.arguments)["out"] for step in body if isinstance(step, OperationStep) and _has_out(step)
    ]
    alike = [name for name, value in values.items() if type(value) is int and value == output[0]]
    return [*given[-1:], *(Ref(name) for name in sorted(alike, key=IN.name.__eq__)), Const(output[0])]


def _has_out(step: OperationStep) -> bool:
    return "out" in dict(step.arguments)


def variants(body: Body, values: Mapping[str, Value], channels: Sequence[Expr]) -> Iterator[Change]:
    """Changes of one argument of a step: rounding of a pool, padding, stride or channels; before them,
    another name for the input's channels, and the padding of convolutions.
    """
    steps = list(_calls(body))
    if is_idle(body):
        yield from _projections(body[0], values, channels)
    inside = [step for step in steps if any(IN.name in references(value) for _, value in step.arguments)]
    for name in channels if len(inside) > 1 else ():
        if isinstance(name, Ref) and name != IN:
            spans = [
                span for step in inside for _, value in step.arguments for span in places_of(value, IN.name)
            ]
            title = f"write `{name.name}` in place of `in`, which is the input's size"
            fix = Fix(title, tuple(Edit(span, name.name) for span in spans))
            yield Change([(step, _renamed(step, name)) for step in inside], fix)
    paddings = (
        _with_each(step, [{"padding": _SAME}]) for step in steps if _may_be_same(dict(step.arguments))
    )
    yield from chain.from_iterable(paddings)
    unpadded = [
        with_arguments(step, {"padding": _SAME})
        for step in steps
        if _may_be_same(dict(step.arguments)) and dict(step.arguments)["padding"] != _SAME
    ]
    if len(unpadded) > 1:
        yield _together(unpadded, "give its convolutions `padding=same`")
    for step in steps:
        yield from _with_each(step, _changes(dict(step.arguments), values, channels))


def strided(body: Body, other: Body) -> Iterator[Change]:
    """A stride of another branch for one step of this one: a stride is rarely written by mistake, but easily
    forgotten. The most likely step is the same operation, with a large kernel.
    """
    written = [s for s in _calls(other) if (stride := dict(s.arguments).get("stride")) and stride.span]
    for model in written:

        def likely(step: Call, model: Call = model) -> tuple[bool, bool]:
            return dict(step.arguments).get("kernel") == ONE, step[0] != model[0]

        for step in sorted(_calls(body), key=likely):
            if dict(step.arguments).get("stride") == ONE:
                yield with_arguments(step, {"stride": dict(model.arguments)["stride"]})


def unstrided(body: Body) -> Iterator[Change]:
    """One step without its stride, which a block of two steps may have in both."""
    for step in _calls(body):
        if "stride" in dict(step.arguments):
            yield from _with_each(step, [{"stride": ONE}])


def _calls(body: Body) -> Iterator[Call]:
    return (step for step in steps(body) if isinstance(step, (OperationStep, BlockStep)))


def is_idle(body: Body) -> bool:
    """True if a body is `identity` alone."""
    return len(body) == 1 and isinstance(body[0], OperationStep) and body[0].operation.name == "identity"


def is_parameter(expr: Expr) -> bool:
    """True if it has a name other than `in`."""
    return any(name != IN.name for name in references(expr))


def _projections(idle: Step, values: Mapping[str, Value], channels: Sequence[Expr]) -> Iterator[Change]:
    """A 1x1 convolution in place of `identity`."""
    strides = ["", ", stride"] if "stride" in values else [""]
    for out in channels:
        for stride in strides:
            step = _projection(idle.span, {"out": out} | ({"stride": Ref("stride")} if stride else {}))
            fix = write(idle.span, f"conv({_shown(out)}, 1{stride})", " in place of `identity`")
            yield Change([(idle, step)], fix)


def shortcuts(
    step: SkipStep, values: Mapping[str, Value], end: TensorState, reduction: Fraction
) -> Iterator[Change]:
    """A 1x1 convolution as the shortcut of a skip connection. The strides in the body come first: they may be
    parameters, and other calls of the block have others.
    """
    inside = [stride for call in _calls(step.body) if (stride := dict(call.arguments).get("stride"))]
    strides: list[Expr] = [*(s for s in inside if isinstance(s, Ref)), Const(normal(reduction))]
    written = step.span.source.text.index("{", step.span.end)
    place = Span(step.span.source, step.span.start, closing(step.span.source, written) + 1)
    for out in channels_of(step.body, end.shape, values):
        for stride in strides:
            conv = _projection(step.span, {"out": out, "stride": stride})
            more = "" if stride == ONE else f", {_shown(stride)}"
            norms = last_norm(step.body)
            text = ", ".join([f"conv({_shown(out)}, 1{more})", *(norm.span.text for norm in norms)])
            fix = add(place, f" shortcut {{ {text} }}")
            yield Change([(step, step._replace(shortcut=(conv, *norms)))], fix)


def _projection(span: Span, given: Mapping[str, Expr]) -> OperationStep:
    conv = OPERATIONS["conv"]
    defaults = {f.name: ONE if f.default is MISSING else constant(f.default) for f in schema(conv)}
    return OperationStep(conv, tuple({**defaults, "kernel": ONE, **given}.items()), span)


def _renamed(step: Call, name: Ref) -> Call:
    arguments = ((argument, substitute(value, {IN.name: name})) for argument, value in step.arguments)
    return step._replace(arguments=tuple(arguments))


def _may_be_same(arguments: Mapping[str, Expr]) -> bool:
    """True if the padding can be `same`: not of a pool or a transposed convolution."""
    return "padding" in arguments and "dilation" in arguments and "output_padding" not in arguments


def _shown(expr: Expr) -> str:
    if isinstance(expr, Ref):
        return expr.name
    if expr.span:
        return expr.span.text
    return show(expr.value) if isinstance(expr, Const) else ""


def _changes(
    arguments: Mapping[str, Expr], values: Mapping[str, Value], channels: Sequence[Expr]
) -> Iterator[Mapping[str, Expr]]:
    half = _half(arguments)
    if "ceil" in arguments:
        yield {"ceil": YES}
    yield from _enlarged(arguments)
    if "padding" in arguments and arguments["padding"] != _SAME:
        if _may_be_same(arguments):
            yield {"padding": _SAME}
        yield from ({"padding": Const(padding)} for padding in range(half + 1))
        if "ceil" in arguments:
            yield {"stride": ONE, "padding": Const(half)}
    if arguments.get("padding") == _SAME:
        yield {"padding": ZERO}
    if "stride" in arguments and "stride" in values:  # a number would be right for one instance only
        yield {"stride": Ref("stride")}
    elif "stride" in arguments and isinstance(arguments["stride"], Const):
        yield from ({"stride": Const(number)} for number in (1, 2, 4))
    if "out" in arguments:
        yield from ({"out": expr} for expr in channels)


def _half(arguments: Mapping[str, Expr]) -> int:
    """Half of a constant kernel, else 0."""
    kernel = arguments.get("kernel")
    sides = kernel.value if isinstance(kernel, Const) else None
    largest = max(sides.lengths) if isinstance(sides, Size) else sides
    return largest // 2 if isinstance(largest, int) else 0


def _enlarged(arguments: Mapping[str, Expr]) -> Iterator[Mapping[str, Expr]]:
    """Changes of a step that enlarges maps."""
    if "output_padding" in arguments:
        if arguments["stride"] == ONE:
            yield {"stride": Const(2)}
            yield {"stride": Const(2), **_doubling(arguments)}
        yield {"output_padding": ONE}
        yield _doubling(arguments)
        yield {"kernel": arguments["stride"]}
    if "factor" in arguments:
        yield from ({"factor": Const(number)} for number in (2, 4, 8))


def _doubling(arguments: Mapping[str, Expr]) -> Mapping[str, Expr]:
    """The paddings with which a transposed convolution with a stride of 2 doubles its map."""
    half, kernel = _half(arguments), arguments["kernel"]
    if isinstance(kernel, Const) and kernel.value == 2 * half:
        return {"padding": Const(max(half - 1, 0))}
    return {"padding": Const(half), "output_padding": ONE}


def write_arguments(step: Call, given: Mapping[str, str]) -> Fix:
    """The fix that gives a call other arguments, by their texts."""
    call, arguments = step.span, dict(step.arguments)
    edits, more = [], ""
    for name, value in given.items():
        span = arguments[name].span if name in arguments else None
        if span and span.within(call):
            edits.append(Edit(span, value))
        else:
            more += f", {name}={value}"
    if more:
        closed = call.text.endswith(")")
        end = Span(call.source, call.end - closed, call.end - closed)
        empty = call.text.rstrip(") ").endswith("(")
        edits.append(Edit(end, (more[2:] if empty else more) if closed else f"({more[2:]})"))
    longer = sum(len(edit.new_text) - len(edit.span.text) for edit in edits)
    new = edited(call.source.text, edits)[call.start : call.end + longer]
    return Fix(f"write `{new}` in place of `{call.text}`", tuple(edits))


_SAME = Const(Symbol("same"))
