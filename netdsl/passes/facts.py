"""Statements that say one thing of a network: its input, and what is expected of it."""

from __future__ import annotations

from typing import cast, get_args

from netdsl import syntax
from netdsl.advice import shape as shape_of
from netdsl.diagnostics import Diagnostics, listing, nearest
from netdsl.ops.base import Shape
from netdsl.passes.scope import Scope
from netdsl.resolved import Expectation, Quantity
from netdsl.values import Size, Value, is_number, show

QUANTITIES: tuple[str, ...] = get_args(Quantity)


def read_input(statement: syntax.Input, scope: Scope, diagnostics: Diagnostics) -> Shape | None:
    """The shape of one example, or None after a diagnostic."""
    value = scope.value(statement.shape)
    if value is None:
        return None
    shape = value.lengths if isinstance(value, Size) else (value,)
    product = isinstance(statement.shape, syntax.Binary) and statement.shape.span.text.count("*") == 2
    if product:
        meant = shape_of(statement.shape.span.text)
        message = f"the input is a number of features, {show(value)}"
        diagnostics.error("NET302", message, statement.shape.span, help=f"write `input {meant}`")
        return None
    if len(shape) in (1, 3) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape):
        return cast(Shape, shape)
    diagnostics.error(
        "NET302",
        f"the input is {show(value)}",
        statement.shape.span,
        help=_input_help(statement.shape, value),
    )
    return None


def _input_help(node: syntax.Expr, value: Value) -> str:
    if isinstance(value, tuple) and len(value) == 3:
        return f"write `input {shape_of(node.span.text)}`"
    if isinstance(value, Size) and len(value.lengths) == 2:
        return f"channels come first: write `input 1x{node.span.text}`, or `input 3x{node.span.text}`"
    return "channels, height and width as `3x32x32`, or a number of features"


def read_expectation(statement: syntax.Expect, scope: Scope, diagnostics: Diagnostics) -> Expectation | None:
    """What the file expects of the network, or None after a diagnostic."""
    quantity = statement.quantity.text
    if quantity not in QUANTITIES:
        diagnostics.error(
            "NET201",
            f"there is nothing called `{quantity}` to expect",
            statement.quantity.span,
            help=nearest(quantity, QUANTITIES) or f"{listing(QUANTITIES)} can be expected",
        )
        return None
    value = scope.value(statement.value)
    if value is None:
        return None
    if quantity == "output":
        if statement.comparison not in ("==", "!="):
            message = f"`output` is a shape, and can't be `{statement.comparison}` another"
            diagnostics.error("NET302", message, statement.span, help="compare it with `==` or `!=`")
            return None
        sound, help = isinstance(value, (Size, int)), "a shape, as `512x7x7`, or a number of features"
    else:
        sound, help = is_number(value), "a number, as `125k`"
    if not sound or isinstance(value, bool):
        message = f"the expected value is {show(value)}"
        diagnostics.error("NET302", message, statement.value.span, help=help)
        return None
    return Expectation(cast(Quantity, quantity), statement.comparison, value, statement.span)
