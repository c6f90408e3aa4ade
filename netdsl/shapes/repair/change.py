"""Changes of a network that are tried for the repair of a shape error, and the choice of the best one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import map_bodies
from netdsl.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Fix
from netdsl.ir.resolved import Body, OperationStep, ResolvedNetwork, Step
from netdsl.language.expressions import Const
from netdsl.ops.operation import UNKNOWN, Shape

# Returns a network's errors after a change; None beyond the limits of the search.
Attempt: TypeAlias = "Callable[[Change], Sequence[Diagnostic] | None]"


class Change(NamedTuple):
    """Replacements of steps, or another input, with the fix that makes them in the text."""

    steps: Sequence[tuple[Step, Step]]
    fix: Fix
    input: Shape = UNKNOWN


def changed(network: ResolvedNetwork, change: Change) -> ResolvedNetwork:
    """The network after a change."""
    new = network.map_bodies(partial(changed_body, change=change))
    return new._replace(input=change.input or network.input)


def best(
    changes: Iterable[Change], attempt: Attempt | None, places: Collection[Span], most: int = MAX_DIAGNOSTICS
) -> Change | None:
    """The change that leaves the fewest errors, at most `most`, and none at these `places` or in the changed
    steps; None if there is none.
    """
    fewest, found = most + 1, None
    for change in changes if attempt else ():
        if any(map(_skips_pixels, (new for _, new in change.steps))):
            continue
        errors = attempt(change) if attempt else None
        if errors is None:
            break
        again = any(label.span in places for error in errors for label in error.labels)
        steps = {step.span for step, _ in change.steps}
        again = again or any(error.labels and error.labels[0].span in steps for error in errors)
        if not again and len(errors) < fewest:
            fewest, found = len(errors), change
        if not errors:
            break
    return found


def _skips_pixels(step: Step) -> bool:
    """True for a window with a larger stride, of which lint warns."""
    arguments = dict(step.arguments) if isinstance(step, OperationStep) else {}
    kernel, stride = (arguments.get(name) for name in ("kernel", "stride"))
    sizes = [expr.value for expr in (kernel, stride) if isinstance(expr, Const)]
    return len(sizes) == 2 and all(isinstance(n, int) for n in sizes) and 1 < sizes[0] < sizes[1]  # type: ignore[operator]


def changed_body(body: Body, change: Change) -> Body:
    """A body after a change. An item of an order is changed in all units."""
    new = {old.span: (old, step) for old, step in change.steps}

    def after(step: Step) -> Step:
        old, changed = new.get(step.span, (None, step))
        alike = step
        if isinstance(step, OperationStep) and isinstance(old, OperationStep):
            alike = step._replace(unit=old.unit, last_norm=old.last_norm)
        if alike == old:
            return changed
        return map_bodies(step, partial(changed_body, change=change))

    return tuple(map(after, body))
