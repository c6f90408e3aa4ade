"""Evaluates expressions as Python does, with floats, while the language's numbers are exact."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from netdsl.base.values import Size, Value
from netdsl.language.expressions import ARITHMETIC, Const, Environment, Expr, Operator, Ref


def _round_to(x: float, divisor: int) -> int:
    """The same as the helper of generated code, templates/helpers/round_to.py."""
    nearest = max(divisor, int((x + divisor / 2) // divisor) * divisor)
    return nearest if nearest >= 0.9 * x else nearest + divisor


# As generated code writes them.
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **ARITHMETIC,
    "/": operator.truediv,
    "==": operator.eq,
    "!=": operator.ne,
    "not": operator.not_,
    "round_to": _round_to,
    "floor": lambda x: int(x // 1),
    "ceil": lambda x: -int(-x // 1),
    "sqrt": lambda x: x**0.5,
    "pair": lambda *sides: Size(sides),
    "list": lambda *items: items,
    "index": lambda items, index: items[index],
    "item": lambda pair, index: pair.lengths[index] if isinstance(pair, Size) else pair,
}


def in_python(expr: Expr, environment: Environment) -> object:
    """The value in generated code; None if it raises an error."""
    try:
        return _value(expr, environment)
    except (ArithmeticError, KeyError, TypeError):
        return None


def _value(expr: Expr, environment: Environment) -> Any:
    if isinstance(expr, (Const, Ref)):
        value = expr.value if isinstance(expr, Const) else environment[expr.name]
        return float(value) if isinstance(value, Fraction) else value
    if expr.name == "if":
        condition, yes, no = expr.operands
        return _value(yes if _value(condition, environment) else no, environment)
    if expr.name in ("and", "or"):
        decided = expr.name == "or"
        return decided if any(_value(o, environment) is decided for o in expr.operands) else not decided
    return _FUNCTIONS[expr.name](*(_value(operand, environment) for operand in expr.operands))


def agree(python: object, value: Value, loose: bool = False) -> bool:
    """True if Python's result equals the language's; fractions may differ by rounding. `loose` accepts floats
    for whole numbers.
    """
    if loose and isinstance(python, float) and isinstance(value, int) and not isinstance(value, bool):
        return python == value
    if isinstance(value, Fraction):
        return isinstance(python, (int, float)) and math.isclose(python, value, rel_tol=1e-12)
    return type(python) is type(value) and python == value


def is_inexact(expr: Expr) -> bool:
    """True if Python evaluates it with floats."""
    if isinstance(expr, Const):
        return isinstance(expr.value, Fraction)
    return isinstance(expr, Operator) and (expr.name in ("/", "sqrt") or any(map(is_inexact, expr.operands)))


def length(expr: Expr) -> int:
    """The number of names, constants and operators."""
    return 1 + sum(map(length, expr.operands)) if isinstance(expr, Operator) else 1
