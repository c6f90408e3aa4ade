"""Bodies with one argument changed: what is tried where a shape doesn't fit, until one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from netdsl.diagnostics import Diagnostic
from netdsl.expressions import IN, YES, Const, Expr, Ref, references, substitute
from netdsl.ops.base import Shape
from netdsl.resolved import (
    BlockStep,
    Body,
    OperationStep,
    ResolvedNetwork,
    Section,
    Step,
    bodies,
    with_bodies,
)
from netdsl.values import Size, Symbol, Value, show

# What has arguments that can be changed.
Call: TypeAlias = OperationStep | BlockStep


# What a network's errors are after a change; None when enough was tried.
Attempt: TypeAlias = "Callable[[Change], Sequence[Diagnostic] | None]"


class Change(NamedTuple):
    """Steps that stand in place of others, and what to write for that."""

    steps: Sequence[tuple[Step, Step]]
    text: str


def changed(network: ResolvedNetwork, change: Change) -> ResolvedNetwork:
    """The network after a change."""
    parts = (
        part._replace(body=changed_body(part.body, change)) if isinstance(part, Section) else part
        for part in network.parts
    )
    blocks = (block._replace(body=changed_body(block.body, change)) for block in network.blocks)
    return network._replace(parts=tuple(parts), blocks=tuple(blocks))


def changed_body(body: Body, change: Change) -> Body:
    """A body after a change."""
    new = {id(old): step for old, step in change.steps}
    return tuple(
        (
            new[id(step)]
            if id(step) in new
            else with_bodies(step, [changed_body(inner, change) for inner in bodies(step)])
        )
        for step in body
    )


def with_argument(step: Call, name: str, value: Expr, shown: str = "") -> Change:
    """A call with another argument, which is `shown` otherwise than it is."""
    new = step._replace(arguments=tuple({**dict(step.arguments), name: value}.items()))
    text = f"write `{_written(step, name, shown or _shown(value))}` in place of `{step.span.text}`"
    return Change([(step, new)], text)


def backwards(network: ResolvedNetwork, channels: Expr) -> Iterator[Change]:
    """One argument of one step changed, from the last step to the first: what a transposed convolution adds,
    then all else.
    """
    sections = [part.body for part in network.parts if isinstance(part, Section)]
    whole = [*reversed(sections), *(block.body for block in network.blocks)]
    steps = [step for body in whole for step in reversed(list(_calls(body)))]
    for step in sorted(steps, key=lambda step: "output_padding" not in dict(step.arguments)):
        arguments = dict(step.arguments)
        for name, expr in _changes(arguments, {}, [channels]):
            if arguments[name] != expr:
                yield with_argument(step, name, expr)


def channels_of(body: Body, output: Shape, values: Mapping[str, Value]) -> list[Expr]:
    """What the channels may be called that a body ends in: as the file has them there, by the name of a
    parameter or constant, as a number.
    """
    given = [
        dict(step.arguments)["out"] for step in body if isinstance(step, OperationStep) and _has_out(step)
    ]
    alike = [name for name, value in values.items() if type(value) is int and value == output[0]]
    return [*given[-1:], *(Ref(name) for name in sorted(alike, key=IN.name.__eq__)), Const(output[0])]


def _has_out(step: OperationStep) -> bool:
    return "out" in dict(step.arguments)


def variants(body: Body, values: Mapping[str, Value], channels: Sequence[Expr]) -> Iterator[Change]:
    """One argument of one step changed: how a pool rounds, the padding, the stride, the channels; then the
    padding of all convolutions. Before all, another name for what enters the block.
    """
    steps = list(_calls(body))
    inside = [step for step in steps if any(IN.name in references(value) for _, value in step.arguments)]
    for name in channels if len(inside) > 1 else ():
        if isinstance(name, Ref) and name != IN:
            yield Change([(step, _renamed(step, name)) for step in inside], _rename(name.name))
    for step in steps:
        arguments = dict(step.arguments)
        for argument, expr in _changes(arguments, values, channels):
            if arguments[argument] != expr:
                yield with_argument(step, argument, expr)
    padded = [(step, _padded(step)) for step in steps if _may_be_same(dict(step.arguments))]
    yield Change(padded, "give its convolutions `padding=same`")


def _calls(body: Body) -> Iterator[Call]:
    for step in body:
        if isinstance(step, (OperationStep, BlockStep)):
            yield step
        for inner in bodies(step):
            yield from _calls(inner)


def _renamed(step: Call, name: Ref) -> Call:
    arguments = ((argument, substitute(value, {IN.name: name})) for argument, value in step.arguments)
    return step._replace(arguments=tuple(arguments))


def _rename(name: str) -> str:
    return f"write `{name}` in place of `in`, which is what enters the block"


def _padded(step: Call) -> Call:
    return step._replace(arguments=tuple({**dict(step.arguments), "padding": _SAME}.items()))


def _may_be_same(arguments: Mapping[str, Expr]) -> bool:
    """Whether its padding is one that can be `same`: not that of a pool, nor of a transposed convolution."""
    return "padding" in arguments and "dilation" in arguments and "output_padding" not in arguments


def _shown(expr: Expr) -> str:
    if isinstance(expr, Ref):
        return expr.name
    if expr.span:
        return expr.span.text
    return show(expr.value) if isinstance(expr, Const) else ""


def _changes(
    arguments: Mapping[str, Expr], values: Mapping[str, Value], channels: Sequence[Expr]
) -> Iterator[tuple[str, Expr]]:
    if "ceil" in arguments:
        yield "ceil", YES
    if "output_padding" in arguments:
        yield "output_padding", Const(1)
    if "padding" in arguments and arguments["padding"] != _SAME:
        if _may_be_same(arguments):
            yield "padding", _SAME
        kernel = arguments.get("kernel")
        sides = kernel.value if isinstance(kernel, Const) else None
        largest = max(sides.lengths) if isinstance(sides, Size) else sides
        for padding in range(largest // 2 + 1 if isinstance(largest, int) else 0):
            yield "padding", Const(padding)
    if arguments.get("padding") == _SAME:
        yield "padding", Const(0)
    if "stride" in arguments and "stride" in values:  # a number would fit one instance of the block alone
        yield "stride", Ref("stride")
    elif "stride" in arguments and isinstance(arguments["stride"], Const):
        yield from (("stride", Const(number)) for number in (1, 2, 4))
    if "factor" in arguments:
        yield from (("factor", Const(number)) for number in (2, 4, 8))
    if "out" in arguments:
        yield from (("out", expr) for expr in channels)


def _written(step: Call, name: str, value: str) -> str:
    """The call as it stands in the file, with another argument."""
    call, given = step.span, dict(step.arguments)[name].span
    if given and given.source is call.source and call.start <= given.start and given.end <= call.end:
        return call.text[: given.start - call.start] + value + call.text[given.end - call.start :]
    before, bracket, _ = call.text.rpartition(")")
    return f"{before}, {name}={value})" if bracket else f"{call.text}({name}={value})"


_SAME = Const(Symbol("same"))
