"""Bodies with one argument changed: what is tried where a shape doesn't fit, until one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netdsl.expressions import YES, Const, Expr, Ref
from netdsl.resolved import Body, OperationStep
from netdsl.values import Size, Symbol, Value, show


class Variant(NamedTuple):
    """A body with another argument, and what to write for that."""

    body: Body
    text: str


def variants(body: Body, values: Mapping[str, Value], channels: int) -> Iterator[Variant]:
    """One argument of one step changed: the padding, how a pool rounds, the stride, the channels."""
    for index, step in enumerate(body):
        if not isinstance(step, OperationStep):
            continue
        arguments = dict(step.arguments)
        for name, expr in _changes(arguments, values, channels):
            if arguments[name] == expr:
                continue
            changed = step._replace(arguments=tuple({**arguments, name: expr}.items()))
            shown = expr.name if isinstance(expr, Ref) else show(expr.value)
            text = f"write `{_written(step, name, shown)}` in place of `{step.span.text}`"
            yield Variant((*body[:index], changed, *body[index + 1 :]), text)


def _changes(
    arguments: Mapping[str, Expr], values: Mapping[str, Value], channels: int
) -> Iterator[tuple[str, Const | Ref]]:
    if "padding" in arguments and arguments["padding"] != _SAME:
        if "out" in arguments and "output_padding" not in arguments:
            yield "padding", _SAME
        kernel = arguments["kernel"]
        sides = kernel.value if isinstance(kernel, Const) else None
        largest = max(sides.lengths) if isinstance(sides, Size) else sides
        for padding in range(largest // 2 + 1 if isinstance(largest, int) else 0):
            yield "padding", Const(padding)
    if "ceil" in arguments:
        yield "ceil", YES
    for name, numbers in (("stride", (1, 2, 4)), ("out", (channels,))):
        if name in arguments and name in values:  # a number would fit one instance of the block alone
            yield name, Ref(name)
        elif name in arguments and isinstance(arguments[name], Const):
            yield from ((name, Const(number)) for number in numbers)


def _written(step: OperationStep, name: str, value: str) -> str:
    """The call as it stands in the file, with another argument."""
    call, given = step.span, dict(step.arguments)[name].span
    if given and given.source is call.source and call.start <= given.start and given.end <= call.end:
        return call.text[: given.start - call.start] + value + call.text[given.end - call.start :]
    before, bracket, _ = call.text.rpartition(")")
    return f"{before}, {name}={value})" if bracket else f"{call.text}({name}={value})"


_SAME = Const(Symbol("same"))
