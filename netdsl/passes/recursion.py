"""Blocks don't call themselves, and don't call each other without end."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl import syntax
from netdsl.diagnostics import Diagnostics
from netdsl.passes.orders import UNIT, Order

# How deep blocks may call each other.
MAX_NESTING = 100


def check_recursion(blocks: Mapping[str, syntax.Block], order: Order, diagnostics: Diagnostics) -> bool:
    """Whether the blocks of a file, by name, don't call themselves, not even by way of others."""
    before = diagnostics.errors
    # A unit calls what stands in the order.
    ordered = [item.name.text for item in order if isinstance(item, syntax.Call)]
    called_by: dict[str, set[str]] = {}
    for name, block in blocks.items():
        called = [call.name.text for call in syntax.calls(block.body.steps)]
        own = {parameter.name.text for parameter in block.parameters}
        named = {*called, *(ordered if UNIT in called else ())} - own
        called_by[name] = named & blocks.keys()
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if len(path) > MAX_NESTING and name not in path:
            span = blocks[path[0]].name.span
            message = f"blocks call each other more than {MAX_NESTING} deep"
            diagnostics.error("NET104", message, span, help="call fewer from within each other")
        elif name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            diagnostics.error(
                "NET203",
                f"blocks call themselves: {circle}",
                blocks[name].name.span,
                help="break the circle",
            )
        elif name not in done:
            done.add(name)
            for called in sorted(called_by[name]):
                visit(called, [*path, name])

    for name in blocks:
        visit(name, [])
    return diagnostics.errors == before
