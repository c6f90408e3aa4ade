"""Statements that say one thing of a network: its input, its initialisation, what is expected of it."""

from __future__ import annotations

from typing import Literal, cast

from netdsl import syntax
from netdsl.diagnostics import Diagnostics, nearest
from netdsl.ops.base import Shape
from netdsl.passes.scope import Scope
from netdsl.resolved import Expectation
from netdsl.values import Number, Size, is_number, show


def read_input(statement: syntax.Input, scope: Scope, diagnostics: Diagnostics) -> Shape | None:
    """The shape of one example, or None after a diagnostic."""
    value = scope.value(statement.shape)
    if value is None:
        return None
    shape = value.lengths if isinstance(value, Size) else (value,)
    if len(shape) in (1, 3) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape):
        return cast(Shape, shape)
    diagnostics.error(
        "NET205",
        f"the input is {show(value)}",
        statement.shape.span,
        help="channels, height and width as `3x32x32`, or a number of features",
    )
    return None


def read_init(statement: syntax.Init | None, diagnostics: Diagnostics) -> Literal["kaiming", "pytorch"]:
    """Which initialisation; Kaiming where the file doesn't say."""
    if statement is None:
        return "kaiming"
    for rule in statement.rules:
        diagnostics.error(
            "NET105",
            "rules in `init` are not supported yet",
            rule.key.span,
            help="use `init kaiming` or `init pytorch`",
        )
    base = statement.base
    if base is None or base.text == "kaiming":
        return "kaiming"
    if base.text != "pytorch":
        diagnostics.error(
            "NET302",
            f"there is no initialisation `{base.text}`",
            base.span,
            help=nearest(base.text, ("kaiming", "pytorch")) or "`kaiming` or `pytorch`",
        )
    return "pytorch"


def read_expectation(statement: syntax.Expect, scope: Scope, diagnostics: Diagnostics) -> Expectation | None:
    """What the file expects of the network, or None after a diagnostic."""
    quantity = statement.quantity.text
    if quantity not in ("params", "macs"):
        known = quantity in ("depth", "receptive_field", "output")
        message = (
            f"`expect {quantity}` is not supported yet"
            if known
            else f"there is nothing called `{quantity}` to expect"
        )
        diagnostics.error(
            "NET105" if known else "NET201",
            message,
            statement.quantity.span,
            help=nearest(quantity, ("params", "macs")) or "`params` and `macs` can be expected",
        )
        return None
    value = scope.value(statement.value)
    if value is None:
        return None
    if not is_number(value):
        diagnostics.error(
            "NET205",
            f"the expected value is {show(value)}",
            statement.value.span,
            help="a number, as `125k`",
        )
        return None
    return Expectation(
        cast(Literal["params", "macs"], quantity),
        statement.comparison,
        cast(Number, value),
        statement.span,
    )
