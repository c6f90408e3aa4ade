"""The syntax tree as a compact outline: a line a node, expressions in prefix form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netdsl.base.source import Span
from netdsl.base.values import show
from netdsl.syntax import nodes


def outline(program: nodes.Program) -> str:
    return "".join(f"{line}\n" for statement in program.statements for line in _lines(statement, ""))


def _lines(node: Any, indent: str, role: str = "") -> Iterator[str]:
    """A node's own words in its line, the nodes below it indented; a body is called by its `role`."""
    words = [role or type(node).__name__.lower()]
    inner: list[tuple[str, Any]] = []
    for field, value in zip(node._fields, node, strict=True):
        if isinstance(value, Span) or value in (None, ""):
            continue
        if isinstance(value, nodes.Word):
            named = field in ("name", "kind", "join", "key", "block", "quantity", "base")
            words.append(value.text if named else f"{field}={value.text}")
        elif _is_expression(value):
            words.append(expression(value))
        elif isinstance(value, (str, bool)):
            words.append(f"{field}={value!r}")
        elif isinstance(value, tuple) and not hasattr(value, "_fields"):
            words += [expression(item) for item in value if _is_expression(item)]
            inner += [("", item) for item in value if not _is_expression(item)]
        else:
            inner.append((field if isinstance(value, nodes.Body) else "", value))
    yield indent + " ".join(words)
    for role, item in inner:
        below = indent + "  "
        yield from _lines(item, below, role) if hasattr(item, "_fields") else _pair(item, below)


def _pair(case: tuple[nodes.Expr, nodes.Body], indent: str) -> Iterator[str]:
    """A case of `when`."""
    condition, body = case
    yield f"{indent}case {expression(condition)}"
    yield from _lines(body, indent + "  ")


def _is_expression(value: object) -> bool:
    kinds = (
        nodes.Literal, nodes.Name, nodes.Unary, nodes.Binary, nodes.Choose, nodes.Apply, nodes.ListOf,
        nodes.Argument, nodes.Parameter, nodes.Word,
    )  # fmt: skip
    return isinstance(value, kinds)


def expression(node: Any) -> str:
    match node:
        case nodes.Word(text):
            return text
        case nodes.Literal(value):
            return show(value)
        case nodes.Name(name):
            return name
        case nodes.Unary(operator, operand):
            return f"({operator} {expression(operand)})"
        case nodes.Binary(operator, left, right):
            return f"({operator} {expression(left)} {expression(right)})"
        case nodes.Choose(condition, yes, no):
            return f"(if {expression(condition)} {expression(yes)} {expression(no)})"
        case nodes.Apply(function, arguments):
            return f"{function.text}({', '.join(map(expression, arguments))})"
        case nodes.ListOf(items):
            return f"[{', '.join(map(expression, items))}]"
        case nodes.Argument(name, value):
            return f"{name.text}={expression(value)}" if name else expression(value)
        case nodes.Parameter(name, value, values):
            shown = f"{name.text}={expression(value)}" if value else name.text
            return f"{shown} in [{', '.join(map(expression, values))}]" if values else shown
    raise AssertionError(node)
