"""Resolved expressions: evaluated with exact numbers, simplified, compared.

Everything that the compiler knows about a block before its arguments are given is an expression over the
block's parameters: `out // 4`, `stride == 1 and in == out`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias, cast

from netdsl.base.source import Span
from netdsl.base.values import LARGEST, Number, Size, Symbol, Value, is_number, normal, show
from netdsl.diagnostics import Diagnostics, Help, write


@dataclass(frozen=True, slots=True)
class Const:
    """A value; `name` is that of the constant of the file that it is."""

    value: Value
    span: Span | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Ref:
    """A name of the enclosing body: a parameter, a `let`, `in`."""

    name: str
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator or function (`+`, `not`, `if`, `min`, …) and its operands."""

    name: str
    operands: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False)


Expr: TypeAlias = Const | Ref | Operator
Environment: TypeAlias = Mapping[str, Value]


class _NoValue(Exception):
    """An expression has no value; stays inside this module."""

    def __init__(self, message: str, span: Span | None, help: Help = "") -> None:
        self.message, self.span, self.help = message, span, help


def round_to(x: Number, divisor: Number) -> Number:
    """The nearest multiple of `divisor`, ties up, at least `divisor` and at least 90 % of `x`
    (make_divisible of the mobile nets, Sandler et al. 2018).
    """
    nearest = max(divisor, math.floor(Fraction(x) / divisor + Fraction(1, 2)) * divisor)
    return nearest if nearest * 10 >= x * 9 else nearest + divisor


def _square_root(x: Number) -> Number:
    if x < 0:
        raise ValueError("the square root of a negative number")
    fraction = Fraction(x)
    exact = Fraction(math.isqrt(fraction.numerator), math.isqrt(fraction.denominator))
    return exact if exact * exact == fraction else Fraction(math.sqrt(fraction)).limit_denominator(10**12)


# Functions of numbers; the count is how many arguments they take at least and at most.
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: Fraction(a) / Fraction(b),
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "negative": lambda a: -a,
    "min": min,
    "max": max,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "sqrt": _square_root,
    "round_to": round_to,
}
FUNCTIONS = {
    "min": (2, 99),
    "max": (2, 99),
    "floor": (1, 1),
    "ceil": (1, 1),
    "round": (1, 1),
    "sqrt": (1, 1),
    "round_to": (2, 2),
}


def evaluate(expr: Expr, environment: Environment, diagnostics: Diagnostics) -> Value | None:
    """The value, or None after a diagnostic."""
    try:
        return _value(expr, environment)
    except _NoValue as error:
        diagnostics.error("NET303", error.message, error.span, help=error.help)
        return None


def known(expr: Expr, environment: Environment) -> Value:
    """The value of an expression that was evaluated before without a diagnostic."""
    return _value(expr, environment)


def known_or_none(expr: Expr, environment: Environment) -> Value | None:
    """The value, or None where there is none: a branch that isn't taken need not have one, nor names
    that only it defines.
    """
    try:
        return _value(expr, environment)
    except (_NoValue, KeyError):
        return None


def _value(expr: Expr, environment: Environment) -> Value:
    if isinstance(expr, Const):
        return expr.value
    if isinstance(expr, Ref):
        return environment[expr.name]
    if expr.name == "if":
        condition, yes, no = expr.operands
        return _value(yes if _truth(condition, environment) else no, environment)
    if expr.name == "and":
        return all(_truth(operand, environment) for operand in expr.operands)
    if expr.name == "or":
        return any(_truth(operand, environment) for operand in expr.operands)
    if expr.name == "not":
        return not _truth(expr.operands[0], environment)
    values = tuple(_value(operand, environment) for operand in expr.operands)
    if expr.name == "list":
        if any(isinstance(value, tuple) for value in values):
            raise _NoValue("a list cannot contain lists", expr.span)
        return values
    if expr.name == "pair":
        return Size(cast(tuple[int, ...], values))
    if expr.name == "item":
        pair, index = values
        return pair.lengths[cast(int, index)] if isinstance(pair, Size) else pair
    if expr.name == "index":
        return _item(expr, *values)
    if expr.name in ("==", "!="):
        return _equal(expr, values[0], values[1]) == (expr.name == "==")
    return _number(expr, values)


def _item(expr: Operator, items: Value, index: Value) -> Value:
    """An item of a list, counted from 0."""
    if not isinstance(items, tuple):
        raise _NoValue(f"{show(items)} is not a list", expr.operands[0].span or expr.span)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
        message = f"the list has {len(items)} items, counted from 0, and no item {show(index)}"
        raise _NoValue(message, expr.operands[1].span or expr.span)
    return items[index]


def _number(expr: Operator, values: tuple[Value, ...]) -> Value:
    for operand, value in zip(expr.operands, values, strict=True):
        if not is_number(value):
            shown = f"`{expr.name}` takes numbers, not {show(value)}"
            raise _NoValue(shown, operand.span or expr.span)
    try:
        result = ARITHMETIC[expr.name](*values)
    except ZeroDivisionError:
        raise _NoValue("division by zero", expr.span, _divided(expr.operands[1])) from None
    except ValueError as error:
        raise _NoValue(str(error), expr.span) from None
    if isinstance(result, bool):
        return result
    # Lengths of weights have no place in the text: they are counted, however large.
    if expr.span and (abs(result.numerator) > LARGEST or result.denominator > LARGEST):
        raise _NoValue("the number is too large", expr.span, f"numbers go up to {LARGEST:.0e}")
    return normal(result)


def _divided(divisor: Expr) -> Help:
    """The help for a divisor that is 0; an index counts from 0."""
    if isinstance(divisor, Ref) and divisor.span and divisor.name.endswith("index"):
        return write(divisor.span, f"({divisor.name} + 1)", ": an index counts from 0")
    if divisor.span and divisor.span.text.isidentifier():
        return write(divisor.span, f"max(1, {divisor.span.text})", safe=False)
    return "divide by another number"


def _truth(expr: Expr, environment: Environment) -> bool:
    value = _value(expr, environment)
    if not isinstance(value, bool):
        raise _NoValue(not_a_condition(value), expr.span, compared(expr.span, value) if expr.span else "")
    return value


def not_a_condition(value: Value) -> str:
    """The message for a condition whose value is not a boolean."""
    return f"a condition must be `yes` or `no`, not {show(value)}"


def compared(span: Span, value: Value) -> Help:
    """The help for a condition that is a number."""
    return write(span, f"{span.text} != 0") if is_number(value) else "compare it with a value"


def _equal(expr: Operator, left: Value, right: Value) -> bool:
    numbers = is_number(left) and is_number(right)
    if not numbers and type(left) is not type(right):
        texts = zip((left, right), expr.operands, strict=True)
        help = next(
            (
                write(operand.span, value, ", without quotes")
                for value, operand in texts
                if isinstance(value, str) and operand.span
            ),
            "",
        )
        raise _NoValue(f"cannot compare {show(left)} and {show(right)}", expr.span, help)
    return left == right


# --- building and simplifying --------------------------------------------------------------------

ONE, ZERO = Const(1), Const(0)
YES, NO = Const(True), Const(False)
IN = Ref("in")


def operator(name: str, *operands: Expr) -> Expr:
    """The operator applied, simplified where that needs no values: constants, x * 1, x + 0, x == x."""
    if name in ("and", "or"):
        return _connect(name, operands)
    if all(isinstance(operand, Const) for operand in operands):
        value = known_or_none(Operator(name, operands), {})
        if value is not None:
            return Const(value)
    left, right = operands[0], operands[-1]
    match name:
        case "*" if left == ONE or right == ONE:
            return right if left == ONE else left
        case "+" if left == ZERO or right == ZERO:
            return right if left == ZERO else left
        case "-" | "/" if right == (ZERO if name == "-" else ONE):
            return left
        case "==" if left == right:
            return YES
        case "if" if operands[1] == operands[2]:
            return right
        case "if" if isinstance(left, Const):
            return operands[1] if left.value else right
    return Operator(name, operands)


def quotient(whole: Expr, divisor: Expr) -> Expr:
    """`//` of whole numbers, simplified: x // 1, a * b // b. (Of fractions, x // 1 isn't x.)"""
    if divisor == ONE:
        return whole
    return _factor(whole, divisor) or operator("//", whole, divisor)


def _factor(product: Expr, divisor: Expr) -> Expr | None:
    """`a` for `a * b // b`."""
    if isinstance(product, Operator) and product.name == "*" and divisor in product.operands:
        first, second = product.operands
        return first if second == divisor else second
    return ONE if product == divisor else None


def _connect(name: str, operands: tuple[Expr, ...]) -> Expr:
    neutral, decided = (YES, NO) if name == "and" else (NO, YES)
    left = [operand for operand in operands if operand != neutral]
    if decided in left:
        return decided
    return Operator(name, tuple(left)) if len(left) > 1 else left[0] if left else neutral


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """The expression with names replaced."""
    if isinstance(expr, Ref):
        return values.get(expr.name, expr)
    if isinstance(expr, Operator):
        return operator(expr.name, *(substitute(operand, values) for operand in expr.operands))
    return expr


def references(expr: Expr) -> Iterator[str]:
    """The names in an expression."""
    if isinstance(expr, Ref):
        yield expr.name
    elif isinstance(expr, Operator):
        for operand in expr.operands:
            yield from references(operand)


def places_of(expr: Expr, name: str) -> Iterator[Span]:
    """The places where an expression has a name."""
    if isinstance(expr, Operator):
        for operand in expr.operands:
            yield from places_of(operand, name)
    elif isinstance(expr, Ref) and expr.name == name and expr.span:
        yield expr.span


def constant(value: object) -> Const:
    """A constant from a field's default: words and floats as the language has them."""
    if isinstance(value, str):
        return Const(Symbol(value))
    return Const(normal(Fraction(repr(value)))) if isinstance(value, float) else Const(cast(Value, value))
