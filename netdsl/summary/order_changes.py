"""Detects differences that come from another `order`: compiles the second network with the first's order."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.base.source import Source
from netdsl.compiler import Compiled, compile_network
from netdsl.ir.typed import TypedNetwork
from netdsl.resolve.orders import default_order
from netdsl.summary.changes import Change, compare
from netdsl.summary.structure import structure
from netdsl.syntax import nodes


def explain(
    before: Compiled, after: Compiled, settings: Mapping[str, str], found: list[Change]
) -> list[Change]:
    """The found changes, or if these are fewer, the change of the order and those that do not follow from it.

    `settings` are those that the second network was compiled with.
    """
    order, other = _order(before), _order(after)
    if order == other or not found or before.network is None:
        return found
    moved = _with_order(after, order, settings)
    if moved is None:
        return found
    changes, _ = compare(structure(before.network), structure(moved))
    return [Change(("network",), "order", order, other), *changes] if len(changes) < len(found) else found


def _statements(compiled: Compiled) -> tuple[nodes.Statement, ...]:
    return next(iter(compiled.files.values())).program.statements


def _order(compiled: Compiled) -> str:
    """`conv, bn, +, relu`."""
    for statement in _statements(compiled):
        if isinstance(statement, nodes.Order):
            return ", ".join(" ".join(item.span.text.split()) for item in statement.items)
    words = ("+" if isinstance(item, nodes.Plus) else item.name.text for item in default_order())
    return ", ".join(words)


def _with_order(compiled: Compiled, order: str, settings: Mapping[str, str]) -> TypedNetwork | None:
    """The network with this order, without `expect` statements, which may fail then; None after errors."""
    text = compiled.source.text
    for statement in reversed(_statements(compiled)):
        if isinstance(statement, (nodes.Order, nodes.Expect)):
            text = text[: statement.span.start] + text[statement.span.end :]
    source = Source(compiled.source.name, f"{text}\norder {order}\n")
    return compile_network(source, settings, read=compiled.used.__getitem__).network
