"""Search for changes that make the shapes of a join agree; each is tried in the whole network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from netdsl.diagnostics import Fix
from netdsl.ir.resolved import Body, BranchesStep, ResolvedNetwork, SkipStep
from netdsl.shapes.body_scope import BodyScope
from netdsl.shapes.joins import Joins, places
from netdsl.shapes.repair.candidates import (
    channels_of,
    enlarging,
    is_idle,
    is_parameter,
    larger_inputs,
    other_tensors,
    shortcuts,
    strided,
    unstrided,
    variants,
)
from netdsl.shapes.repair.change import Attempt, Change, best, changed_body
from netdsl.shapes.tensor_state import TensorState

# Returns True if the output of a tried body fits.
Leads: TypeAlias = Callable[[Body, BodyScope, TensorState, Callable[[TensorState], bool]], bool]


class RepairSearch:
    """Searches changes of branches, skip bodies and shortcuts; without an `attempt` it finds none."""

    def __init__(self, network: ResolvedNetwork, joins: Joins, attempt: Attempt | None, leads: Leads) -> None:
        self._network = network
        self._joins = joins
        self._attempt = attempt
        self._leads = leads

    def joint(
        self,
        step: BranchesStep,
        place: BodyScope,
        state: TensorState,
        ends: Sequence[TensorState],
        pair: tuple[int, int],
    ) -> tuple[tuple[int, int], Fix | None]:
        """The pair, first the branch to change, and the change of it after which all branches agree."""

        def fix(index: int, changes: Iterator[Change]) -> Fix | None:
            def fits(end: TensorState) -> bool:
                return self._joins.mismatch(step, state, [*ends[:index], end, *ends[index + 1 :]]) is None

            return self._fix(step, step.branches[index], changes, place, state, fits)

        for index, other in (pair, pair[::-1]):
            if _larger(ends[index], ends[other]) and (
                found := fix(index, strided(step.branches[index], step.branches[other]))
            ):
                return (index, other), found
        # In a sum an `identity` is most likely to need a projection.
        first_idle = sorted((pair, pair[::-1]), key=lambda p: not is_idle(step.branches[p[0]]))
        for index, other in first_idle if step.join == "add" else (pair, pair[::-1]):
            channels = channels_of(step.branches[other], ends[other].shape, place.values)
            if found := fix(index, variants(step.branches[index], place.values, channels)):
                return (index, other), found
        # Otherwise the input of the join may be wrong.
        network = self._network
        before = chain(other_tensors(network, step), larger_inputs(network), enlarging(network, step.span))
        return pair, self._best(before, step)

    def shortcut(self, step: SkipStep, place: BodyScope, state: TensorState, end: TensorState) -> Fix | None:
        """The shortcut of a skip connection without one with which it fits in all calls."""
        reduction = end.reduced_from(state)
        if len(end.shape) != 3 or reduction < 1:
            return None
        return self._best(shortcuts(step, place.values, end, reduction), step)

    def irregular(self, step: SkipStep, place: BodyScope, state: TensorState) -> Fix | None:
        """The change of a skip's body after which it keeps its grid."""
        changes = variants(step.body, place.values, channels_of((), state.shape, place.values))
        return self._fix(step, step.body, changes, place, state, lambda tried: tried.grid is state.grid)

    def uneven(self, step: SkipStep) -> Fix | None:
        """Another input with a height and width that the strides in a skip's body divide."""
        return self._best(larger_inputs(self._network), step)

    def either(
        self,
        step: SkipStep,
        place: BodyScope,
        start: TensorState,
        body: TensorState,
        shortcut: TensorState,
        agrees: Callable[[TensorState], bool],
    ) -> Fix | None:
        """The change of the shortcut, or of the body, after which they agree."""

        def fits(way: TensorState) -> bool:
            same = way.shape == shortcut.shape and way.reduction == shortcut.reduction
            return same and way.grid is start.grid

        ways = step.shortcut or ()
        channels = channels_of(step.body, body.shape, place.values)
        others = channels_of(ways, shortcut.shape, place.values)
        tries = [
            (ways, variants(ways, place.values, channels), agrees),
            (step.body, variants(step.body, place.values, others), fits),
        ]
        if is_parameter(others[0]) and not is_parameter(channels[0]):  # a number or `in` is more likely wrong
            tries.reverse()
        if body.reduction < shortcut.reduction:
            tries.insert(0, (step.body, strided(step.body, ways), fits))
        elif shortcut.reduction < body.reduction:
            tries.insert(0, (ways, strided(ways, step.body), agrees))
        tries.append((step.body, unstrided(step.body), fits))
        found = (self._fix(step, way, changes, place, start, good) for way, changes, good in tries)
        return next(filter(None, found), None)

    def _fix(
        self,
        step: SkipStep | BranchesStep,
        body: Body,
        changes: Iterator[Change],
        place: BodyScope,
        state: TensorState,
        fits: Callable[[TensorState], bool],
    ) -> Fix | None:
        """The change of a body after which the join fits, in all blocks of the network, and which leaves the
        fewest errors; None if there is none.
        """
        leading = (c for c in changes if self._leads(changed_body(body, c), place, state, fits))
        return self._best(leading, step)

    def _best(self, changes: Iterator[Change], step: SkipStep | BranchesStep) -> Fix | None:
        found = best(changes, self._attempt, places(step))
        return found and found.fix


def _larger(one: TensorState, other: TensorState) -> bool:
    """True if a map is larger than another by strides."""
    return len(one.shape) == len(other.shape) == 3 and one.reduction < other.reduction
