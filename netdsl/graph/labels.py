"""The labels of a picture, as short as in papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING
from fractions import Fraction
from typing import TypeVar

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.printing import printable
from netdsl.base.source import Span
from netdsl.base.values import Value, show
from netdsl.graph.figure_nodes import Facts
from netdsl.ir.typed import Cost, Instance, TypedBody, TypedOperation
from netdsl.language.argument_types import schema
from netdsl.language.expressions import Const, Expr
from netdsl.ops import Operation
from netdsl.ops.operation import Shape

T = TypeVar("T")

# Arguments that are not shown: they do not change what the picture shows.
UNSHOWN = {"padding", "output_padding", "ceil", "count_padding", "bias", "freeze"}
# Longer labels are cut; the tooltip has all of it.
LONGEST = 26
# The most sizes of a layer with a line each in its facts.
MOST_FACTS = 6


class Measured(NamedTuple):
    input: Shape
    output: Shape
    cost: Cost


def common(values: Iterable[T]) -> T | None:
    """The common value, or None if the values differ."""
    first, *others = values
    return first if all(other == first for other in others) else None


def shape_text(shape: Shape) -> str:
    return "×".join(map(str, shape))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def listed(texts: Sequence[str]) -> list[str]:
    """The texts with a comma after each but the last."""
    return [*(f"{text}," for text in texts[:-1]), *texts[-1:]]


def plain(text: str) -> str:
    """A text of the file in one line, without characters that fonts or XML cannot show."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def source_text(span: Span) -> str:
    """The text of a span."""
    return plain(span.text)


def place(span: Span) -> str:
    """`resnet32.net:12`, without the folder."""
    name = span.source.name.replace("\\", "/").rsplit("/", 1)[-1]
    return f"{printable(name)}:{span.source.position(span.start)[0]}"


def operation_text(operations: Sequence[Operation], written: Mapping[str, Expr]) -> str:
    """`conv 3×3, 64, /2`; arguments that differ are shown as in the file: `conv 3×3, out, /stride`."""
    parts = {
        f.name: text
        for f in schema(type(operations[0]))
        if f.name not in UNSHOWN and not f.kw_only
        if (text := _argument([_actual(op, f.name) for op in operations], f.name, f.default, written))
    }
    order = sorted(parts, key=lambda name: (name != "kernel", name == "stride"))
    return " ".join([operations[0].name, ", ".join(parts[name] for name in order)]).rstrip()


def _actual(operation: Operation, name: str) -> object:
    """The value of an argument: a pool's default stride is its kernel."""
    value = getattr(operation, name)
    return getattr(operation, value) if isinstance(value, str) and hasattr(operation, value) else value


def _argument(values: Sequence[object], name: str, default: object, written: Mapping[str, Expr]) -> str:
    value = common(values)
    if value is None:
        text = cut(source_text(span)) if name in written and (span := written[name].span) else name
    elif value == default or (name == "stride" and value == (1, 1)):
        return ""
    else:
        text = _value(value, square=name != "stride")
    if name == "heads":
        return text if text == name else f"{text} heads"
    if name == "stride":
        return f"/{text}" if text.isalnum() else f"/({text})"
    return text if default is MISSING else f"{name}={text}"


def _value(value: object, square: bool) -> str:
    match value:
        case (int(height), int(width)):
            return f"{height}×{width}" if square or height != width else str(height)
        case float():
            return f"{value:g}"
        case bool():
            return show(value)
        case _:
            return str(value)


def argument_texts(
    called: Sequence[Mapping[str, Value]],
    parameters: Iterable[tuple[str, Expr | None]],
    written: Mapping[str, Expr],
) -> tuple[str, ...]:
    """Arguments of calls of a block, without defaults: `out=64`.

    If the calls differ, the `written` expression is shown, else the first and the last value.
    """
    texts = []
    for name, default in parameters:
        values = [values[name] for values in called]
        if all(default == Const(value) for value in values):
            continue
        expr = written.get(name)
        differ = common(values) is None
        text = cut(source_text(expr.span)) if differ and expr and expr.span else range_text(values)
        texts.append(cut(name) if text == name else f"{cut(name)}={text}")
    return tuple(texts)


def range_text(values: Sequence[Value]) -> str:
    """A value, or the first and the last: `0.1 … 0.5`."""
    if common(values) is not None:
        return value_text(values[0])
    return f"{value_text(values[0])} … {value_text(values[-1])}"


def value_text(value: Value) -> str:
    """A value as in a `.net` file; fractions with three digits."""
    return f"{float(value):.3g}" if isinstance(value, Fraction) else cut(show(value))


def signature_texts(
    called: Sequence[Mapping[str, Value]], parameters: Sequence[tuple[str, Expr | None]]
) -> tuple[str, ...]:
    """The parameters of a block, with their values if all calls agree: `out`, `stride=2`."""
    fixed = {name: common([values[name] for values in called]) for name, _ in parameters}
    return tuple(
        cut(name) if (value := fixed[name]) is None else f"{cut(name)}={value_text(value)}"
        for name, _ in parameters
    )


def totals(cost: Cost) -> str:
    return f"{cost.parameters:,} parameters, {cost.macs:,} MACs"


def sizes(measured: Iterable[Measured | TypedBody | TypedOperation | Instance]) -> Facts:
    """A line for each distinct combination of shapes and cost."""
    lines = list(
        dict.fromkeys(
            f"{shape_text(each.input)} → {shape_text(each.output)}: {totals(each.cost)}" for each in measured
        )
    )
    more = len(lines) - MOST_FACTS
    return (*lines[:MOST_FACTS], f"and {more} more sizes") if more > 1 else tuple(lines)
