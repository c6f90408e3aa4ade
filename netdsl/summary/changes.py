"""The differences between two networks in what they compute, not in how their files are written.

The structures are compared, where names, comments, units, constants and defaults are resolved to steps with
arguments. Changes that follow from another one are not reported: if a block's `out` differs, its
convolutions are not listed. Two blocks are compared once for each place of both, so that the time depends
on the text, not on the number of layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, chain, groupby
from typing import TypeAlias

from netdsl.summary.structure import Step, Structure

# The most places in one section or stage at which a change inside two blocks is reported.
MOST_PLACES = 8


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: at `places`, the first network has `before` and the second one `after`.

    `what` is an argument, a key of the recipe, or the like. If a part is in one network only, the other side
    is None and `what` is empty.
    """

    places: tuple[str, ...]
    what: str
    before: str | None
    after: str | None


# The positions of a section or stage of the first network and of its counterpart in the second; None if
# there is none.
Pair: TypeAlias = tuple[int | None, int | None]


def compare(before: Structure, after: Structure) -> tuple[list[Change], list[Pair]]:
    """The differences of the structure, and the sections and stages side by side."""
    found = _Changes()
    if before.input != after.input:
        found.add("network", "input", *("x".join(map(str, side.input)) for side in (before, after)))
    pairs = found.network(before.parts, after.parts)
    return found.reported(), pairs


class _Changes:
    def __init__(self) -> None:
        # The places of each change, in the order in which they were found.
        self._found: dict[tuple[str, str | None, str | None], dict[str, None]] = {}
        # The places at which two blocks were compared, by section or stage.
        self._met: dict[tuple[Step, Step, str], set[str]] = {}
        self._effects = _Effects()

    def add(self, place: str, what: str, before: str | None, after: str | None) -> None:
        self._found.setdefault((what, before, after), {})[place] = None

    def reported(self) -> list[Change]:
        return [Change(tuple(places), *change) for change, places in self._found.items()]

    def network(self, before: Sequence[Step], after: Sequence[Step]) -> list[Pair]:
        pairs: list[Pair] = []
        i = j = 0
        for xs, ys in self._aligned(before, after):
            if _alike(xs, ys):
                pairs.append((i, j))
                if xs[0].kind == "stage":
                    self._stage(xs[0], ys[0])
                else:
                    self._steps(xs[0].steps, ys[0].steps, xs[0].name)
            else:
                for position, x in enumerate(xs, i):
                    pairs.append((position, None))
                    self.add("network", "", _written(x), None)
                for position, y in enumerate(ys, j):
                    pairs.append((None, position))
                    self.add("network", "", None, _written(y))
            i, j = i + len(xs), j + len(ys)
        return pairs

    def _stage(self, before: Step, after: Step) -> None:
        copies = [sum(block.copies for block in stage.steps) for stage in (before, after)]
        if copies[0] != copies[1]:
            self.add(before.name, "repeat", *map(str, copies))
        for x, y in _side_by_side(before.steps, after.steps):
            self._block(x, y, before.name)

    def _block(self, before: Step, after: Step, place: str) -> None:
        """Compares two blocks, without their copies."""
        if self._effects.equal(before, after) or self._was_here(before, after, place):
            return
        if before.name != after.name and not self._effects.equal(before, after, arguments=False):
            self.add(place, "block", before.name, after.name)
            return
        given = dict(after.arguments)
        changed = [(name, x, given[name]) for name, x in before.arguments if given.get(name, x) != x]
        for argument in changed:
            self.add(place, *argument)
        if not changed or self._effects.kinds(before) != self._effects.kinds(
            after
        ):  # else the steps differ because of the arguments
            self._steps(before.steps, after.steps, f"{place} > {before.name}")

    def _was_here(self, before: Step, after: Step, place: str) -> bool:
        """True if two blocks were compared at this place, or at `MOST_PLACES` others."""
        places = self._met.setdefault((before, after, place.partition(" > ")[0]), set())
        if place in places or len(places) == MOST_PLACES:
            return True
        places.add(place)
        return False

    def _steps(self, before: Sequence[Step], after: Sequence[Step], place: str) -> None:
        """Compares the steps of two bodies."""
        if _labels(before) != _labels(after) and Counter(_labels(before)) == Counter(_labels(after)):
            self.add(place, "order", *(", ".join(step.name for step in side) for side in (before, after)))
            before, after = (sorted(side, key=_label) for side in (before, after))
        for xs, ys in self._aligned(before, after):
            if _alike(xs, ys):
                self._step(xs[0], ys[0], place)
            elif len(xs) == 1 and _is_skip_of(xs[0], ys):
                self.add(place, "", "skip { … }", None)
                self._steps(_body(xs[0]), ys, place)
            elif len(ys) == 1 and _is_skip_of(ys[0], xs):
                self.add(place, "", None, "skip { … }")
                self._steps(xs, _body(ys[0]), place)
            else:
                self.add(place, "", *(_listed(side) or None for side in (xs, ys)))

    def _step(self, before: Step, after: Step, place: str) -> None:
        if before.copies != after.copies:
            self.add(place, f"{before.name} repeat", str(before.copies), str(after.copies))
        if self._effects.equal(before, after):
            return
        match before.kind:
            case "operation":
                given = dict(after.arguments)
                for name, value in before.arguments:
                    if given[name] != value:
                        self.add(place, f"{before.name} {name}", value, given[name])
            case "block":
                self._block(before, after, place)
            case "shortcut" | "branch":
                self._steps(before.steps, after.steps, f"{place} > {before.name}")
            case "skip":
                self._steps(_body(before), _body(after), place)
                self._steps(_shortcut(before), _shortcut(after), place)
            case _:
                self._steps(before.steps, after.steps, place)

    def _aligned(
        self, before: Sequence[Step], after: Sequence[Step]
    ) -> Iterator[tuple[Sequence[Step], Sequence[Step]]]:
        """Steps with their counterparts, one by one, and between them the runs without counterparts.

        Steps are aligned by their labels if these are the same in both; else equal steps first.
        """
        if _labels(before) == _labels(after):
            yield from (([x], [y]) for x, y in zip(before, after, strict=True))
            return
        effects = [[(step.copies, self._effects.of(step)) for step in side] for side in (before, after)]
        for equal, xs, ys in _matched(before, after, *effects):
            if equal:
                yield from (([x], [y]) for x, y in zip(xs, ys, strict=True))
                continue
            for same, left, right in _matched(xs, ys, _labels(xs), _labels(ys)):
                if same:
                    yield from (([x], [y]) for x, y in zip(left, right, strict=True))
                else:
                    yield left, right


class _Effects:
    """Numbers for steps, equal for steps that compute the same, independent of the names of blocks.

    The copies of a step don't count; without `arguments`, those of operations don't either. Each block is
    visited once.
    """

    def __init__(self) -> None:
        self._of: dict[tuple[Step, bool], int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._kinds: dict[Step, tuple[str, ...]] = {}

    def equal(self, before: Step, after: Step, arguments: bool = True) -> bool:
        return self.of(before, arguments) == self.of(after, arguments)

    def of(self, step: Step, arguments: bool = True) -> int:
        if (step, arguments) not in self._of:
            given = step.arguments if arguments and step.kind == "operation" else ()
            inside = tuple((inner.copies, self.of(inner, arguments)) for inner in step.steps)
            whole = (_label(step), given, inside)
            self._of[step, arguments] = self._numbers.setdefault(whole, len(self._numbers))
        return self._of[step, arguments]

    def kinds(self, step: Step) -> tuple[str, ...]:
        """The kinds of steps, in the order of their first; a shortcut comes and goes with the shape."""
        if step not in self._kinds:
            inside = (self.kinds(inner) for inner in step.steps if inner.kind != "shortcut")
            self._kinds[step] = tuple(dict.fromkeys((_label(step), *chain.from_iterable(inside))))
        return self._kinds[step]


def _label(step: Step) -> str:
    """The label of a step; only steps with the same label are compared."""
    return step.name if step.kind in ("operation", "each") else step.kind


def _labels(steps: Sequence[Step]) -> list[str]:
    return list(map(_label, steps))


def _body(skip: Step) -> list[Step]:
    return [step for step in skip.steps if step.kind != "shortcut"]


def _shortcut(skip: Step) -> list[Step]:
    return [step for step in skip.steps if step.kind == "shortcut"]


def _is_skip_of(step: Step, steps: Sequence[Step]) -> bool:
    """True if a step is a skip connection around steps with the same labels."""
    return step.kind == "skip" and _labels(_body(step)) == _labels(steps)


def _alike(before: Sequence[Step], after: Sequence[Step]) -> bool:
    return len(before) == len(after) == 1 and _label(before[0]) == _label(after[0])


def _matched(
    before: Sequence[Step], after: Sequence[Step], left: Sequence[Hashable], right: Sequence[Hashable]
) -> Iterator[tuple[bool, Sequence[Step], Sequence[Step]]]:
    """Runs of steps whose keys `left` and `right` are equal, and the runs between them.

    Equal steps at both ends are split off first: the matcher finds nothing in long runs of equal steps.
    """
    start = _common(left, right)
    end = _common(left[start:][::-1], right[start:][::-1])
    n, m = len(before) - end, len(after) - end
    if start:
        yield True, before[:start], after[:start]
    for kind, i, k, j, o in SequenceMatcher(None, left[start:n], right[start:m]).get_opcodes():
        yield kind == "equal", before[start + i : start + k], after[start + j : start + o]
    if end:
        yield True, before[n:], after[m:]


def _common(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """The number of equal keys at the start."""
    differing = (i for i, (x, y) in enumerate(zip(left, right, strict=False)) if x != y)
    return next(differing, min(len(left), len(right)))


def _side_by_side(before: Sequence[Step], after: Sequence[Step]) -> Iterator[tuple[Step, Step]]:
    """Pairs of the blocks of two stages by position; runs of equal pairs once."""
    left, right = (list(accumulate(step.copies for step in side)) for side in (before, after))
    i = j = 0
    while i < len(left) and j < len(right):
        yield before[i], after[j]
        end = min(left[i], right[j])
        i, j = i + (left[i] == end), j + (right[j] == end)


def _written(step: Step) -> str:
    """A step as in a `.net` file, including its inner steps unless they are those of a block."""
    return _times(step.title, step.copies) + ("" if _is_call(step) else f" {{ {_listed(step.steps)} }}")


def _is_call(step: Step) -> bool:
    return step.kind in ("operation", "block")


def _listed(steps: Sequence[Step]) -> str:
    """Steps as in a `.net` file; runs of steps with the same text once."""
    rows = groupby(steps, key=lambda step: step.title if _is_call(step) else step)
    found = [(key, list(group)) for key, group in rows]
    return ", ".join(
        _times(key, sum(step.copies for step in group)) if isinstance(key, str) else _written(key)
        for key, group in found
    )


def _times(title: str, copies: int) -> str:
    return title if copies == 1 else f"{title} × {copies}"
