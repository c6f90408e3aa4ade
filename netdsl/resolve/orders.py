"""Orders: the operations of a `unit`, and the position of a skip connection's sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from netdsl.base import tree
from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, remove, write
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import translated
from netdsl.syntax import nodes

UNIT = "unit"

Order: TypeAlias = Sequence[nodes.Call | nodes.Plus]

_DEFAULT = "conv bn + relu"


def default_order() -> Order:
    """`conv, bn, +, relu` (He et al. 2016, fig. 4a)."""
    source = Source("the default order", f"order {_DEFAULT}", builtin=True)
    span = Span(source, 0, len(source.text))
    return [
        nodes.Plus(span) if word == "+" else nodes.Call(nodes.Word(word, span), (), span)
        for word in _DEFAULT.split()
    ]


def is_unit(step: nodes.Step) -> bool:
    return isinstance(step, nodes.Call) and step.name.text == UNIT


def uses_units(steps: Iterable[nodes.Step]) -> bool:
    """True if the steps have units outside of inner skip connections."""
    return any(
        is_unit(step)
        or (not isinstance(step, nodes.Skip) and any(uses_units(b.steps) for b in tree.bodies(step)))
        for step in steps
    )


def is_placeholder(item: nodes.Call | nodes.Plus) -> bool:
    """True if an order's item is the bare `conv`, which gets the arguments of the unit."""
    return isinstance(item, nodes.Call) and item.name.text == "conv" and not item.arguments


def plus_of(order: Order) -> int | None:
    """The index of the `+`."""
    return next((i for i, item in enumerate(order) if isinstance(item, nodes.Plus)), None)


def _own(item: nodes.Call | nodes.Plus) -> str:
    """An item in the language's notation."""
    if isinstance(item, nodes.Plus) or item.name.text in OPERATIONS:
        return item.span.text
    lower = item.name.text.lower()
    return lower if lower in OPERATIONS else translated(item.span.text) or item.span.text


def _with_one(order: nodes.Order) -> list[str]:
    """The items with exactly one bare `conv`: the first, or one added at the end. Of a whole branch,
    `bn, relu, conv, bn, relu, conv`, it is the unit that repeats.
    """
    items = _period([_own(item) for item in order.items])
    if items:
        return items
    for item in order.items:
        conv = isinstance(item, nodes.Call) and item.name.text == "conv"
        if not conv or "conv" not in items:
            items.append("conv" if conv else _own(item))
    return items if "conv" in items else [*items, "conv"]


def _period(items: Sequence[str]) -> list[str]:
    """The shortest prefix with one `conv` that the items repeat, with the `+` of the last repetition; empty
    if there is none.
    """
    steps = [item for item in items if item != "+"]
    for length in range(1, len(steps)):
        repeated = all(step == before for step, before in zip(steps[length:], steps, strict=False))
        if repeated and steps[:length].count("conv") == 1:
            unit = steps[:length]
            if "+" in items:
                before = len(items) - items[::-1].index("+") - items.count("+")
                unit.insert(max((before - 1) % length, unit.index("conv")) + 1, "+")
            return unit
    return []


def check_order(order: nodes.Order, diagnostics: Diagnostics) -> bool:
    """An order has exactly one bare `conv`, and at most one `+` after it."""
    units = (item for item in order.items if isinstance(item, nodes.Call) and is_unit(item))
    if unit := next(units, None):
        help = "write the operations of a unit"
        diagnostics.error("NET304", "an order defines `unit`, and can't use it", unit.span, help=help)
        return False
    bare = [i for i, item in enumerate(order.items) if is_placeholder(item)]
    pluses = [i for i, item in enumerate(order.items) if isinstance(item, nodes.Plus)]
    own = [_own(item) for item in order.items]
    if not bare and "conv" in own:
        fix = write(order.span, f"order {', '.join(own)}")
        diagnostics.error("undefined-operation", "the order has undefined operations", order.span, help=fix)
    elif len(bare) != 1:
        message = f"an order needs exactly one `conv` without arguments, but this one has {len(bare)}"
        fix = write(order.span, f"order {', '.join(_with_one(order))}", safe=len(bare) > 1)
        diagnostics.error("NET304", message, order.span, help=fix)
    elif len(pluses) > 1 or (pluses and pluses[0] < bare[0]):
        diagnostics.error(
            "NET304",
            "an order has at most one `+`, after its `conv`",
            order.items[pluses[-1]].span,
            help=remove(order.items[pluses[-1]].span, safe=False),
        )
    else:
        return True
    return False
