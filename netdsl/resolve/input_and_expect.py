"""The statements `input` and `expect`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

from netdsl.base.values import Size, Value, is_number, show
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, listing, misspelt, remove, write
from netdsl.ir.resolved import Expectation, NetworkOutput, Quantity
from netdsl.language.words import QUANTITIES
from netdsl.ops.operation import Shape
from netdsl.other_frameworks.init_and_expect import FLOPS, OF_MACHINES, OF_TRAINING, own_quantity
from netdsl.other_frameworks.translation import own_shape
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes


def read_input(statement: nodes.Input, scope: Scope, diagnostics: Diagnostics) -> Shape | None:
    """The shape of one example, or None after a diagnostic."""
    value = scope.value(statement.shape)
    if value is None:
        return None
    shape: tuple[Value, ...] = value.lengths if isinstance(value, Size) else (value,)
    # Numbers are written `3x32x32`.
    if isinstance(value, tuple) and any(
        not isinstance(item, nodes.Literal) for item in _items(statement.shape)
    ):
        shape = value
    product = isinstance(statement.shape, nodes.Binary) and statement.shape.span.text.count("*") == 2
    if product:
        meant = own_shape(statement.shape.span.text)
        message = f"the product is a number of features, {show(value)}"
        place = statement.shape.span
        diagnostics.error("input-shape", message, place, help=write(place, meant, shown=f"input {meant}"))
        return None
    if len(shape) in (1, 3) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape):
        return cast(Shape, shape)
    diagnostics.error(
        "input-shape",
        f"the input is {show(value)}",
        statement.shape.span,
        help=_input_help(statement.shape, value),
    )
    return None


def _items(node: nodes.Expr) -> tuple[nodes.Expr, ...]:
    return node.items if isinstance(node, nodes.ListOf) else ()


def _input_help(node: nodes.Expr, value: Value) -> Help:
    place, text = node.span, node.span.text
    if isinstance(value, Size) and 0 in value.lengths:
        return "each number must be at least 1"
    if isinstance(value, tuple) and len(value) == 3 and own_shape(text) != text:
        return write(place, own_shape(text), shown=f"input {own_shape(text)}")
    if isinstance(value, Size) and len(value.lengths) == 2:
        colour = write(place, f"3x{text}", ", with the channels first", safe=False)
        return (colour, write(place, f"1x{text}", safe=False))
    if isinstance(value, Size) and len(value.lengths) == 4:
        first, second, *grid = value.lengths
        if second in (1, 3) or first == 1:
            return write(place, show(Size((second, *grid))), ", without the batch", safe=first == 1)
        return write(
            place, show(Size((first, *grid))), ", without the frames: channels x height x width", safe=False
        )
    return "write channels, height and width, as `3x32x32`, or a number of features"


def _quantity_help(statement: nodes.Expect) -> Help:
    """The help for an unknown quantity."""
    word, compared, value = statement.quantity, statement.comparison, statement.value
    name = word.text.lower()
    if name in FLOPS:
        number = value.value if isinstance(value, nodes.Literal) else None
        half = f"{float(cast(Fraction, number)) / 2:g}" if is_number(number) else f"({value.span.text}) / 2"
        return write(statement.span, f"expect macs {compared} {_short(half)}", ": one MAC is two FLOPs")
    if own := own_quantity(name):
        return write(word.span, own)
    if name in OF_TRAINING:
        return remove(statement.span, "leave the line out: it is known only after `netdsl train`")
    if name in OF_MACHINES:
        left = remove(statement.span, "leave the line out", safe=False)
        return (left, "expect `params` or `macs`: it depends on the machine")
    return misspelt(word.span, QUANTITIES) or f"use one of {listing(QUANTITIES)}"


def _short(number: str) -> str:
    """`1e+07` as `10M`."""
    try:
        count = int(float(number))
    except ValueError:
        return number
    if count % 1_000_000 == 0 and count:
        return f"{count // 1_000_000}M"
    return f"{count // 1000}k" if count % 1000 == 0 and count else str(count)


def read_expectation(
    statement: nodes.Expect, scope: Scope, outputs: Sequence[NetworkOutput], diagnostics: Diagnostics
) -> Expectation | None:
    """The expectation of an `expect` statement, or None after a diagnostic."""
    quantity = statement.quantity.text
    if quantity not in QUANTITIES:
        diagnostics.error(
            "undefined-quantity",
            f"there is no quantity `{quantity}`",
            statement.quantity.span,
            help=_quantity_help(statement),
        )
        return None
    node = statement.value
    if isinstance(node, nodes.Binary) and node.operator in ("and", "or"):
        rest = node.span.text.removeprefix(node.left.span.text).strip().removeprefix(node.operator).strip()
        first = f"expect {quantity} {statement.comparison} {node.left.span.text}"
        title = f"write `{first}` and `expect {rest}`, each on a line"
        fix = Fix(title, (Edit(statement.span, f"{first}\nexpect {rest}"),), node.operator == "and")
        diagnostics.error("expected-value", "`expect` takes one comparison", node.span, help=fix)
        return None
    value = scope.value(node)
    if value is None:
        return None
    if quantity == "output":
        if statement.comparison not in ("==", "!="):
            message = f"`output` is a shape, which can't be compared with `{statement.comparison}`"
            diagnostics.error("expected-value", message, statement.span, help="compare it with `==` or `!=`")
            return None
        shapes = value if isinstance(value, tuple) else (value,)
        sound = all(isinstance(shape, (Size, int)) and not isinstance(shape, bool) for shape in shapes)
        help: Help = "write a shape, as `512x7x7`, a number of features, or a list of these"
        if isinstance(value, tuple) and not outputs:
            sound, help = False, write(node.span, own_shape(node.span.text))
    else:
        sound, help = is_number(value), "write a number, as `125k`"
        if isinstance(value, Size) and quantity == "receptive_field":
            help = write(node.span, str(max(value.lengths)), ", the side of a square")
    if not sound or isinstance(value, bool):
        message = f"the expected value is {show(value)}"
        diagnostics.error("expected-value", message, statement.value.span, help=help)
        return None
    return Expectation(cast(Quantity, quantity), statement.comparison, value, statement.span)
