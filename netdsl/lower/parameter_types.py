"""Types of block parameters in generated code, and pairs given as one number."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from netdsl.base.values import Size, Symbol, Value
from netdsl.ir.lowered import BlockParameter
from netdsl.ir.typed import Instance
from netdsl.language.expressions import Const, Expr, Operator, operator, substitute
from netdsl.ops import OPERATIONS

PAIR = "tuple[int, int]"


def parameters(instances: Sequence[Instance]) -> list[BlockParameter]:
    """A block's parameters with the Python types of their values in the instances.

    A constant default is a default in Python too; others are passed by every caller.
    """
    definition = instances[0].block
    found = []
    required_after = len(definition.parameters)
    for index, (name, default) in reversed(list(enumerate(definition.parameters))):
        folded = None if default is None else substitute(default, {})
        constant = folded if isinstance(folded, Const) and index + 1 == required_after else None
        required_after = index if constant else required_after
        annotation = annotated([instance.values[name] for instance in instances])
        parameter = BlockParameter(name, annotation, None, named=default is not None)
        found.append(parameter._replace(default=constant and paired(constant, parameter)))
    return found[::-1]


def annotated(values: Sequence[Value]) -> str:
    """The Python type of a parameter with these values; `operation` for operations."""
    if any(isinstance(value, Size) for value in values):
        return PAIR
    if any(isinstance(value, Fraction) for value in values):
        return "float"
    if any(isinstance(value, tuple) and any(isinstance(v, Fraction) for v in value) for value in values):
        return "tuple[float, ...]"
    kinds: dict[type, str] = {bool: "bool", int: "int", Symbol: "str", str: "str", tuple: "tuple[int, ...]"}
    if all(isinstance(value, Symbol) and value.name in OPERATIONS for value in values):
        return "operation"
    return " | ".join(dict.fromkeys(kinds.get(type(value), "object") for value in values))


def pair(value: Value) -> Value:
    """`3` as `3x3`."""
    return Size((value, value)) if isinstance(value, int) else value


def both(expr: Expr) -> Expr:
    """A pair as its two sides."""
    return operator("pair", *(operator("item", expr, Const(index)) for index in (0, 1)))


def paired(expr: Expr, parameter: BlockParameter) -> Expr:
    """The argument in the type of the parameter: `3` as `3x3` if other callers pass `1x7`, `0` as `0.0`."""
    if parameter.type == "float" and isinstance(expr, Const) and isinstance(expr.value, int):
        return Const(Fraction(expr.value))
    if parameter.type != PAIR:
        return expr
    if isinstance(expr, Const):
        return Const(pair(expr.value))
    if isinstance(expr, Operator) and expr.name == "if":
        condition, yes, no = expr.operands
        return operator("if", condition, paired(yes, parameter), paired(no, parameter))
    return expr if isinstance(expr, Operator) and expr.name == "pair" else operator("pair", expr, expr)
