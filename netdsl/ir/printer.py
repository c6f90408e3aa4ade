"""Prints a network as any pass leaves it, from the syntax tree to the lowered network.

A node is a line with its type, its name, `@line:column` and its values; the nodes inside it follow indented.
Values that equal their default are left out. A node of an earlier form is shown by its name and place. The
items of the root's lists (blocks, instances) are numbered, and elsewhere shown as `-> residual #2`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any, get_args

from netdsl.base.source import Source, Span
from netdsl.base.values import Size, Symbol, show
from netdsl.ir.typed import Frame
from netdsl.language.expressions import Const, Expr, Operator, Ref
from netdsl.syntax import nodes

# The longest values of a node that are printed in its line; longer ones follow below.
_WIDTH = 180
_FORMS = ("netdsl.ir.", "netdsl.syntax.")
_SYNTAX = (nodes.Word, *get_args(nodes.Expr))


def printed(root: Any, source: Source) -> str:
    """A tree as text; the places in files other than `source` have the file's name."""
    return "\n".join(_Printer(root, source).root()) + "\n"


class _Printer:
    def __init__(self, root: Any, source: Source) -> None:
        self._root = root
        self._source = source
        self._listed: dict[int, str] = {}
        for _, value in _fields(root):
            for number, item in enumerate(value if _is_list(value) else (), 1):
                if _is_node(item) and not self._is_earlier(item):
                    self._listed[id(item)] = f"{_name(item)} #{number}".lstrip()

    def root(self) -> Iterator[str]:
        yield self._head(self._root)
        for name, value in _unnamed(self._root):
            if _is_list(value) and any(id(item) in self._listed for item in value):
                yield f"  {name}:"
                for item in value:
                    yield from self._node(item, 2)
            else:
                yield f"  {name}={self._inline(value)}"

    def _node(self, node: Any, depth: int) -> Iterator[str]:
        """The lines of a node, or of a mapping or pair that has nodes in it."""
        texts = {name: self._inline(value) for name, value in _unnamed(node)}
        below = {name: value for name, value in _unnamed(node) if texts[name] is None}
        if len(str(texts)) > _WIDTH:
            below = {
                name: value for name, value in _unnamed(node) if texts[name] is None or _has_nodes(value)
            }
        beside = ", ".join(f"{name}={text}" for name, text in texts.items() if name not in below)
        yield "  " * depth + f"{self._head(node)} {beside}".rstrip()
        for name, value in below.items():
            yield "  " * (depth + 1) + f"{name}:"
            yield from self._items(value, depth + 2)

    def _items(self, value: Any, depth: int) -> Iterator[str]:
        for item in value if _is_list(value) else (value,):
            text = self._inline(item)
            if text is not None:
                yield "  " * depth + text
            elif _is_node(item):
                yield from self._node(item, depth)
            else:  # a case of a `when`, or a run with its number of copies
                yield "  " * depth + ", ".join(filter(None, map(self._inline, item)))
                for part in item:
                    if self._inline(part) is None:
                        yield from self._items(part, depth + 1)

    def _head(self, node: Any) -> str:
        name = self._listed.get(id(node)) or _name(node)
        span = getattr(node, "span", None)
        place = f"@{self._place(span)}" if span else ""
        return " ".join(filter(None, (type(node).__name__, name, place)))

    def _inline(self, value: Any) -> str | None:
        """A value on one line; None for what takes several."""
        if isinstance(value, Span):
            return f"@{self._place(value)}"
        if isinstance(value, (Const, Ref, Operator)):
            return _expression(value)
        if isinstance(value, _SYNTAX):
            return value.text if isinstance(value, nodes.Word) else value.span.text
        if isinstance(value, nodes.Argument):
            return f"{value.name.text}={value.value.span.text}" if value.name else value.value.span.text
        if isinstance(value, Frame):
            return self._inline(value.values)
        if isinstance(value, type):
            return str(getattr(value, "name", value.__name__))
        if isinstance(value, Mapping):
            return self._pairs(value.items())
        if _is_list(value):
            pairs = bool(value) and all(_is_list(v) and len(v) == 2 and isinstance(v[0], str) for v in value)
            if pairs:
                return self._pairs(value)
            items = [self._inline(item) for item in value]
            return None if None in items else f"({', '.join(map(str, items))})"
        if not _is_node(value):
            return "none" if value is None else show(value)
        if id(value) in self._listed:
            return f"-> {self._listed[id(value)]}"
        if self._is_earlier(value):
            return self._head(value)
        parts = self._pairs(_unnamed(value))
        if parts is None or hasattr(value, "span") or hasattr(value, "step"):
            return None
        return self._head(value) + ("" if parts == "()" else parts)

    def _pairs(self, pairs: Any) -> str | None:
        items = {name: self._inline(value) for name, value in pairs}
        return (
            None if None in items.values() else f"({', '.join(f'{n}={text}' for n, text in items.items())})"
        )

    def _is_earlier(self, node: Any) -> bool:
        module = type(node).__module__
        return module != type(self._root).__module__ and module.startswith(_FORMS)

    def _place(self, span: Span) -> str:
        line, column = span.source.position(span.start)
        return f"{line}:{column}" if span.source is self._source else f"{span.source.name}:{line}:{column}"


def _has_nodes(value: Any) -> bool:
    return _is_node(value) or (_is_list(value) and any(map(_has_nodes, value)))


def _is_list(value: Any) -> bool:
    return type(value) is tuple


def _is_node(value: Any) -> bool:
    return hasattr(value, "_fields") or (
        dataclasses.is_dataclass(value) and not isinstance(value, (type, Size, Symbol, Source))
    )


def _fields(node: Any) -> list[tuple[str, Any]]:
    """The fields of a node that differ from their default."""
    if hasattr(node, "_fields"):
        found = [
            (name, getattr(node, name), node._field_defaults.get(name, MISSING)) for name in node._fields
        ]
    else:
        found = [(f.name, getattr(node, f.name), f.default) for f in dataclasses.fields(node)]
    return [
        (name, value) for name, value, default in found if value != default and value not in (None, (), "")
    ]


def _unnamed(node: Any) -> list[tuple[str, Any]]:
    """The fields of a node that its head doesn't show."""
    shown = ("span", _name_field(node))
    return [(name, value) for name, value in _fields(node) if name not in shown]


def _name_field(node: Any) -> str:
    """The field that names a node: its name, or its operation, block or kind."""
    return next((name for name in ("name", "operation", "block", "kind") if hasattr(node, name)), "")


def _name(node: Any) -> str:
    named = getattr(node, _name_field(node), "")
    named = getattr(named, "name", named)
    return str(getattr(named, "text", named) or "")


def _expression(expr: Expr) -> str:
    """An expression in the language's notation."""
    if isinstance(expr, Const):
        return show(expr.value)
    if isinstance(expr, Ref):
        return expr.name
    if not _is_infix(expr):
        return f"{expr.name}({', '.join(map(_expression, expr.operands))})"
    return f" {expr.name} ".join(
        f"({_expression(o)})" if _is_infix(o) else _expression(o) for o in expr.operands
    )


def _is_infix(expr: Expr) -> bool:
    return isinstance(expr, Operator) and (expr.name in ("and", "or") or not expr.name[0].isalpha())
