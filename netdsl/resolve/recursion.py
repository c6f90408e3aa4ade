"""Blocks don't call themselves, and don't call each other without end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Label
from netdsl.resolve.orders import UNIT, Order
from netdsl.resolve.undefined_names import called_in_lines
from netdsl.syntax import nodes

# How deep blocks may call each other.
MAX_NESTING = 100


def _circular(
    circle: Sequence[str],
    called_by: Mapping[str, Mapping[str, Span]],
    another: str,
    diagnostics: Diagnostics,
) -> None:
    """Points at the call that closes the circle, and at those before it. `another` is what to do where the
    standard block of the name is meant.
    """
    first, last = circle[0], circle[-1]
    also = [Label(called_by[a][b]) for a, b in zip(circle, circle[1:], strict=False)]
    if another:
        message = f"`{first}` calls itself: it takes the place of the standard block of its name"
        help = another
    elif len(circle) == 1:
        message = f"`{first}` calls itself"
        help = f"write its levels out as blocks of their own, `{first}1`, `{first}2`, …, or use `repeat`"
    else:
        message = f"blocks call themselves: {' → '.join([*circle, first])}"
        help = f"take one of these calls out, or write the levels out as blocks of their own, `{first}1`, …"
    diagnostics.error("NET203", message, called_by[last][first], also=also, help=help)


def _another_name(block: nodes.Block, program: nodes.Program, taken: Collection[str]) -> str:
    """What to write so that a block doesn't take the place of the standard one: what else it is made of is
    its new name, `excite_residual`.
    """
    old = block.name.text
    calls = [call.name.text for call in nodes.calls(block.body.steps)]
    others = [name for name in calls if name != old]
    first = next((name for name in others if name in taken), next(iter(others), "my"))
    name = next(new for new in (f"{first}_{old}", f"my_{old}", f"{old}2") if new not in taken)
    head = block.span.text.partition("{")[0].strip()
    lines = called_in_lines(old, program, block)
    also = f", and `{name}` in line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}" if lines else ""
    return f"write `{head.replace(old, name, 1)}`{also}"


def check_recursion(
    program: nodes.Program,
    blocks: Mapping[str, nodes.Block],
    order: Order,
    standard: Collection[str],
    diagnostics: Diagnostics,
) -> bool:
    """Whether the `blocks` of a file, by name, don't call themselves, not even by way of others."""
    before = diagnostics.errors
    # A unit calls what stands in the order.
    ordered = [item.name.text for item in order if isinstance(item, nodes.Call)]
    called_by: dict[str, dict[str, Span]] = {}
    for name, block in blocks.items():
        called: dict[str, Span] = {}
        for call in nodes.calls(block.body.steps):
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
            circle = path[path.index(name) :]
            meant = circle == [name] and name in standard
            another = _another_name(blocks[name], program, blocks) if meant else ""
            _circular(circle, called_by, another, diagnostics)
        elif name not in done:
            done.add(name)
            for called in sorted(called_by[name]):
                visit(called, [*path, name])

    for name in blocks:
        visit(name, [])
    return diagnostics.errors == before
