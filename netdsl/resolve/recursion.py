"""Checks that no block calls itself, directly or through others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label
from netdsl.resolve.bindings import FileNames
from netdsl.resolve.orders import UNIT, Order
from netdsl.syntax import nodes

# The largest depth of calls of blocks by blocks.
MAX_NESTING = 100


def _circular(
    circle: Sequence[str],
    called_by: Mapping[str, Mapping[str, Span]],
    another: Help,
    diagnostics: Diagnostics,
) -> None:
    """Reports a circle of calls. `another` is the help for a block that is meant to call the standard block
    of its name.
    """
    first, last = circle[0], circle[-1]
    also = [Label(called_by[a][b]) for a, b in zip(circle, circle[1:], strict=False)]
    if another:
        message = f"`{first}` calls itself: it overrides the standard block of the same name"
        help = another
    elif len(circle) == 1:
        message = f"`{first}` calls itself"
        help = f"write its levels out as separate blocks, `{first}1`, `{first}2`, …, or use `repeat`"
    else:
        message = f"blocks call each other in a circle: {' → '.join([*circle, first])}"
        help = f"remove one of these calls, or write the levels out as separate blocks, `{first}1`, …"
    diagnostics.error("NET203", message, called_by[last][first], also=also, help=help)


def _another_name(block: nodes.Block, names: FileNames, taken: Collection[str]) -> Fix:
    """The help that renames a block so that it doesn't override the standard one; the new name has that of
    another block it calls, as in `excite_residual`.
    """
    old = block.name.text
    calls = [call.name.text for call in nodes.calls(block.body.steps)]
    called = [name for name in calls if name != old]
    first = next((name for name in called if name in taken), next(iter(called), "my"))
    name = next(new for new in (f"{first}_{old}", f"my_{old}", f"{old}2") if new not in taken)
    head = block.span.text.partition("{")[0].strip()
    uses = [use.span for use in names.references(names.own.program) if use.symbol is names.blocks[old]]
    others = [span for span in uses if not span.within(block.span)]
    lines = sorted({span.source.position(span.start)[0] for span in others})
    also = f", and `{name}` in line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}" if lines else ""
    title = f"write `{head.replace(old, name, 1)}`{also}"
    return Fix(title, tuple(Edit(span, name) for span in (block.name.span, *others)), safe=False)


def check_recursion(
    names: FileNames, blocks: Mapping[str, nodes.Block], order: Order, diagnostics: Diagnostics
) -> bool:
    """True if none of the `blocks` of a file, by name, calls itself, directly or through others."""
    # A unit calls the items of the order.
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

    def visit(name: str, path: list[str]) -> bool:
        if len(path) > MAX_NESTING and name not in path:
            span = blocks[path[0]].name.span
            message = f"blocks call each other more than {MAX_NESTING} deep"
            diagnostics.error("NET104", message, span, help="nest fewer calls")
            return False
        if name in path:
            circle = path[path.index(name) :]
            meant = circle == [name] and name in names.standard.blocks
            another = _another_name(blocks[name], names, blocks) if meant else ""
            _circular(circle, called_by, another, diagnostics)
            return False
        if name in done:
            return True
        done.add(name)
        found = [visit(called, [*path, name]) for called in sorted(called_by[name])]
        return all(found)

    found = [visit(name, []) for name in blocks]
    return all(found)
