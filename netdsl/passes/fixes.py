"""Bodies with one argument changed: what is tried where a shape doesn't fit, until one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netdsl.expressions import YES, Const, Expr, Ref
from netdsl.ops.base import Shape
from netdsl.resolved import Body, OperationStep
from netdsl.values import Size, Symbol, Value, show


class Variant(NamedTuple):
    """A body with another argument, and what to write for that."""

    body: Body
    text: str


def channels_of(body: Body, output: Shape) -> Expr:
    """The channels that a body ends in, as the file has them."""
    given = [dict(s.arguments)["out"] for s in body if isinstance(s, OperationStep) and _has_out(s)]
    return given[-1] if given else Const(output[0])


def _has_out(step: OperationStep) -> bool:
    return "out" in dict(step.arguments)


def variants(body: Body, values: Mapping[str, Value], channels: Expr) -> Iterator[Variant]:
    """One argument of one step changed: how a pool rounds, the padding, the stride, the channels; then the
    padding of all convolutions.
    """
    for index, step in enumerate(body):
        if not isinstance(step, OperationStep):
            continue
        arguments = dict(step.arguments)
        for name, expr in _changes(arguments, values, channels):
            if arguments[name] == expr:
                continue
            changed = step._replace(arguments=tuple({**arguments, name: expr}.items()))
            text = f"write `{_written(step, name, _shown(expr))}` in place of `{step.span.text}`"
            yield Variant((*body[:index], changed, *body[index + 1 :]), text)
    padded = tuple(_padded(step) if isinstance(step, OperationStep) else step for step in body)
    yield Variant(padded, "give its convolutions `padding=same`")


def _padded(step: OperationStep) -> OperationStep:
    arguments = dict(step.arguments)
    if not _may_be_same(arguments):
        return step
    return step._replace(arguments=tuple({**arguments, "padding": _SAME}.items()))


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
    arguments: Mapping[str, Expr], values: Mapping[str, Value], channels: Expr
) -> Iterator[tuple[str, Expr]]:
    if "ceil" in arguments:
        yield "ceil", YES
    if "padding" in arguments and arguments["padding"] != _SAME:
        if _may_be_same(arguments):
            yield "padding", _SAME
        kernel = arguments["kernel"]
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
    if "out" in arguments:
        yield "out", channels


def _written(step: OperationStep, name: str, value: str) -> str:
    """The call as it stands in the file, with another argument."""
    call, given = step.span, dict(step.arguments)[name].span
    if given and given.source is call.source and call.start <= given.start and given.end <= call.end:
        return call.text[: given.start - call.start] + value + call.text[given.end - call.start :]
    before, bracket, _ = call.text.rpartition(")")
    return f"{before}, {name}={value})" if bracket else f"{call.text}({name}={value})"


_SAME = Const(Symbol("same"))
