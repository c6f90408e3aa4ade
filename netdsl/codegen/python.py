"""The few forms of Python that generated code is made of, and how an expression is printed.

Statements are laid out by the templates; literals pass through `repr`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Size, Symbol, Value


class Literal(NamedTuple):
    value: Value | float | None


class Name(NamedTuple):
    """An identifier or dotted path."""

    text: str


class Operation(NamedTuple):
    """A Python operator with its operands; `if` has condition, yes, no. `span` is that of its step."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span | None = None


class Call(NamedTuple):
    """`span` is that of the step that the call computes."""

    function: str
    positional: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()
    span: Span | None = None


class Sequence(NamedTuple):
    """A list or tuple display; without brackets, what a `return` lists."""

    brackets: str
    items: tuple[Expression, ...]


class Copies(NamedTuple):
    """`*(value for variable in range(times))`."""

    value: Expression
    variable: str
    times: Expression


class Item(NamedTuple):
    """`value[key]`."""

    value: Expression
    key: Expression


class Method(NamedTuple):
    """`value.name(positional)`."""

    value: Expression
    name: str
    positional: tuple[Expression, ...] = ()


Expression: TypeAlias = Literal | Name | Operation | Call | Sequence | Copies | Item | Method


class Assign(NamedTuple):
    """A `local` variable can be removed if no statement reads it."""

    target: str
    value: Expression
    operator: str = "="
    annotation: str = ""
    local: bool = False
    kind: str = "assign"


class Return(NamedTuple):
    value: Expression
    kind: str = "return"


class Evaluate(NamedTuple):
    """An expression for its effect."""

    value: Expression
    kind: str = "evaluate"


class Comment(NamedTuple):
    text: str
    kind: str = "comment"


class If(NamedTuple):
    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()
    kind: str = "if"


class For(NamedTuple):
    variable: str
    iterable: Expression
    body: tuple[Statement, ...]
    kind: str = "for"


Statement: TypeAlias = Assign | Return | Evaluate | Comment | If | For

PASS = Evaluate(Name("pass"))

_PRECEDENCE = {
    "if": 1, "or": 2, "and": 3, "not": 4,
    "is": 5, "is not": 5, "not in": 5, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5,
    "+": 6, "-": 6, "*": 7, "/": 7, "//": 7, "%": 7, "negative": 8, "**": 9,
}  # fmt: skip
_ATOM = 10
_OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "is": "is not", "is not": "is",
}  # fmt: skip


def show(expression: Expression) -> str:
    """The expression as Python text."""
    match expression:
        case Literal(value):
            return literal(value)
        case Name(text):
            return text
        case Call(function, positional, named):
            arguments = [*map(show, positional), *(f"{name}={show(value)}" for name, value in named)]
            return f"{function}({', '.join(arguments)})"
        case Sequence(brackets, (Copies() as copies,)):
            return f"{brackets[0]}{_generated(copies)}{brackets[1]}"
        case Sequence(brackets, items):
            comma = "," if brackets == "()" and len(items) == 1 else ""
            return f"{brackets[:1]}{', '.join(map(show, items))}{comma}{brackets[1:]}"
        case Copies():
            return f"*({_generated(expression)})"
        case Item(value, key):
            return f"{_inner(value, _ATOM)}[{show(key)}]"
        case Method(value, name, positional):
            return f"{_inner(value, _ATOM)}.{name}({', '.join(map(show, positional))})"
        case Operation():
            return _operation(expression)


def _generated(copies: Copies) -> str:
    return f"{show(copies.value)} for {copies.variable} in range({show(copies.times)})"


def _operation(expression: Operation) -> str:
    name, operands = expression.operator, expression.operands
    level = _PRECEDENCE[name]
    if name == "if":
        condition, yes, no = operands
        return f"{_inner(yes, level + 1)} if {_inner(condition, level + 1)} else {_inner(no, level)}"
    if name == "not":
        return f"not {_inner(operands[0], level)}"
    if name == "negative":
        return f"-{_inner(operands[0], level)}"
    # Comparisons don't chain: both sides of one are bracketed when they are comparisons themselves.
    left = _inner(operands[0], level + (level == _PRECEDENCE["=="]))
    associative = name in ("and", "or")
    hugged = name == "**" and all(isinstance(operand, (Literal, Name)) for operand in operands)
    return (name if hugged else f" {name} ").join(
        [left, *(_inner(operand, level + (not associative)) for operand in operands[1:])]
    )


def _inner(expression: Expression, level: int) -> str:
    text = show(expression)
    own = _PRECEDENCE[expression.operator] if isinstance(expression, Operation) else _ATOM
    if isinstance(expression, Literal) and text.startswith("-"):
        own = _PRECEDENCE["negative"]
    return f"({text})" if own < level else text


def literal(value: Value | float | None) -> str:
    """The Python literal of a value."""
    match value:
        case Fraction():
            return repr(float(value))
        case Size(lengths):
            return repr(lengths)
        case Symbol(text) | str(text):
            return '"' + repr('"' + text)[2:-1].replace('"', '\\"') + '"'
        case tuple():
            return show(Sequence("()", tuple(map(Literal, value))))
        case _:
            return repr(value)


def takes_activation(expression: Expression) -> bool:
    """True if an activation can be written around an expression: around one other call at most."""
    if isinstance(expression, Operation):
        return expression.operator != "if"
    inner = expression.positional[:1] if isinstance(expression, Call) else ()
    return isinstance(expression, Call) and not any(isinstance(argument, Call) for argument in inner)


def is_simple(expression: Expression) -> bool:
    """True for a name, and a call of names and literals."""
    match expression:
        case Call(_, positional, named):
            arguments = (*positional, *(value for _, value in named))
            return all(isinstance(argument, (Name, Literal)) for argument in arguments)
        case _:
            return isinstance(expression, Name)


def negated(condition: Expression) -> Expression:
    """The opposite of a condition, written as a person would."""
    if isinstance(condition, Operation):
        if condition.operator in _OPPOSITE:
            return Operation(_OPPOSITE[condition.operator], condition.operands)
        if condition.operator in ("and", "or"):
            flipped = "or" if condition.operator == "and" else "and"
            return Operation(flipped, tuple(map(negated, condition.operands)))
        if condition.operator == "not":
            return condition.operands[0]
    return Operation("not", (condition,))


def either(cases: Iterable[tuple[Expression, tuple[Statement, ...]]], otherwise: tuple[Statement, ...]) -> If:
    """`if`, `elif`, …, `else`."""
    first, *others = cases
    return If(*first, (either(others, otherwise),) if others else otherwise)
