"""Blocks don't call themselves, and don't call each other without end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl import syntax
from netdsl.diagnostics import Diagnostics
from netdsl.passes.steps import UNIT

# How deep blocks may call each other.
MAX_NESTING = 100


def check_recursion(
    blocks: Mapping[str, syntax.Block],
    order: Sequence[syntax.Call | syntax.Plus],
    diagnostics: Diagnostics,
) -> None:
    """Blocks don't call themselves, not even by way of others."""
    # A unit calls what stands in the order.
    ordered = [item.name.text for item in order if isinstance(item, syntax.Call)]
    calls: dict[str, set[str]] = {}
    for name, block in blocks.items():
        called = _called(block.body.steps)
        calls[name] = {*called, *(ordered if UNIT in called else ())} & blocks.keys()
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
            for called in sorted(calls[name]):
                visit(called, [*path, name])

    for name in blocks:
        visit(name, [])


def _called(steps: Sequence[syntax.Step]) -> list[str]:
    """The names that steps call, at any depth."""
    names: list[str] = []
    for step in steps:
        if isinstance(step, syntax.Call):
            names.append(step.name.text)
        elif isinstance(step, syntax.Skip):
            names += _called(step.body.steps) + (_called(step.shortcut.steps) if step.shortcut else [])
    return names
