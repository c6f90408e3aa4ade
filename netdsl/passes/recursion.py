"""Blocks don't call themselves, and don't call each other without end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl import syntax
from netdsl.diagnostics import Diagnostics, Label
from netdsl.passes.orders import UNIT, Order
from netdsl.source import Span

# How deep blocks may call each other.
MAX_NESTING = 100


def _circular(
    circle: Sequence[str], called_by: Mapping[str, Mapping[str, Span]], diagnostics: Diagnostics
) -> None:
    """Points at the call that closes the circle, and at those before it."""
    first, last = circle[0], circle[-1]
    also = [Label(called_by[a][b]) for a, b in zip(circle, circle[1:], strict=False)]
    if len(circle) == 1:
        message = f"`{first}` calls itself"
        help = f"write its levels out as blocks of their own, `{first}1`, `{first}2`, …, or use `repeat`"
    else:
        message = f"blocks call themselves: {' → '.join([*circle, first])}"
        help = f"take one of these calls out, or write the levels out as blocks of their own, `{first}1`, …"
    diagnostics.error("NET203", message, called_by[last][first], also=also, help=help)


def check_recursion(blocks: Mapping[str, syntax.Block], order: Order, diagnostics: Diagnostics) -> bool:
    """Whether the blocks of a file, by name, don't call themselves, not even by way of others."""
    before = diagnostics.errors
    # A unit calls what stands in the order.
    ordered = [item.name.text for item in order if isinstance(item, syntax.Call)]
    called_by: dict[str, dict[str, Span]] = {}
    for name, block in blocks.items():
        called: dict[str, Span] = {}
        for call in syntax.calls(block.body.steps):
            for target in (call.name.text, *(ordered if call.name.text == UNIT else ())):
                called.setdefault(target, call.span)
        own = {parameter.name.text for parameter in block.parameters}
        called_by[name] = {target: called[target] for target in called.keys() & blocks.keys() - own}
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if len(path) > MAX_NESTING and name not in path:
            span = blocks[path[0]].name.span
            message = f"blocks call each other more than {MAX_NESTING} deep"
            diagnostics.error("NET104", message, span, help="call fewer from within each other")
        elif name in path:
            _circular(path[path.index(name) :], called_by, diagnostics)
        elif name not in done:
            done.add(name)
            for called in sorted(called_by[name]):
                visit(called, [*path, name])

    for name in blocks:
        visit(name, [])
    return diagnostics.errors == before
