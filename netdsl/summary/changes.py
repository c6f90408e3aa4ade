"""What differs between two networks: in what they do, not in how their files say it.

Compared are the summaries, where names, comments, units, constants and defaults have become steps with
arguments. A change that others follow from is told alone: where a block's `out` differs, its
convolutions aren't named too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby

from netdsl.summary.model import Part, Summary


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: in `places` is `before` in the first network, `after` in the second.

    `what` is an argument, a key of the recipe, or the like. One of the sides is None where a part is in
    one network alone; `what` is then empty.
    """

    places: tuple[str, ...]
    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A section or stage of the first network and what stands for it in the second; None where nothing."""

    before: Part | None
    after: Part | None

    @property
    def name(self) -> str:
        part = self.before or self.after
        assert part is not None
        return part.name

    @property
    def differs(self) -> bool:
        """Whether shape or figures differ."""
        if self.before is None or self.after is None:
            return True
        return (self.before.output, self.before.figures) != (self.after.output, self.after.figures)


def compare(before: Summary, after: Summary) -> tuple[list[Change], list[Pair]]:
    """The differences of the structure, and the sections and stages side by side.

    Both summaries are whole: of a depth that leaves nothing out.
    """
    found = _Changes()
    if before.input != after.input:
        found.tell("network", "input", *("x".join(map(str, side.input)) for side in (before, after)))
    one, other = ([_relative(part, 1) for part in side.parts] for side in (before, after))
    pairs = found.network(one, other)
    return found.told(), pairs


class _Changes:
    def __init__(self) -> None:
        # The places of each change, in the order in which they were found.
        self._found: dict[tuple[str, str | None, str | None], list[str]] = {}

    def tell(self, place: str, what: str, before: str | None, after: str | None) -> None:
        places = self._found.setdefault((what, before, after), [])
        if place not in places:
            places.append(place)

    def told(self) -> list[Change]:
        return [Change(tuple(places), *change) for change, places in self._found.items()]

    def network(self, before: Sequence[Part], after: Sequence[Part]) -> list[Pair]:
        pairs = []
        for xs, ys in _aligned(before, after):
            if not _alike(xs, ys):
                for x in xs:
                    pairs.append(Pair(x, None))
                    self.tell("network", "", _written(x), None)
                for y in ys:
                    pairs.append(Pair(None, y))
                    self.tell("network", "", None, _written(y))
                continue
            x, y = xs[0], ys[0]
            pairs.append(Pair(x, y))
            if x.kind == "stage":
                self._stage(x, y)
            else:
                self._steps(x.parts, y.parts, x.name)
        return pairs

    def _stage(self, before: Part, after: Part) -> None:
        copies = [sum(block.copies for block in stage.parts) for stage in (before, after)]
        if copies[0] != copies[1]:
            self.tell(before.name, "repeat", *map(str, copies))
        for x, y in _side_by_side(before.parts, after.parts):
            self._block(x, y, before.name)

    def _block(self, before: Part, after: Part, place: str) -> None:
        """Two blocks; how often they are there doesn't count."""
        if _effect(before) == _effect(after):
            return
        if before.name != after.name and _effect(before, arguments=False) != _effect(after, arguments=False):
            self.tell(place, "block", before.name, after.name)
            return
        given = dict(after.arguments)
        changed = [(name, x, given[name]) for name, x in before.arguments if given.get(name, x) != x]
        for argument in changed:
            self.tell(place, *argument)
        if not changed or _kinds(before) != _kinds(after):  # else the steps differ because of the arguments
            self._steps(before.parts, after.parts, f"{place} > {before.name}")

    def _steps(self, before: Sequence[Part], after: Sequence[Part], place: str) -> None:
        """The steps of two bodies."""
        if _labels(before) != _labels(after) and Counter(_labels(before)) == Counter(_labels(after)):
            self.tell(place, "order", *(", ".join(part.name for part in side) for side in (before, after)))
            before, after = (sorted(side, key=_label) for side in (before, after))
        for xs, ys in _aligned(before, after):
            if _alike(xs, ys):
                self._step(xs[0], ys[0], place)
            elif len(xs) == 1 and _is_skip_of(xs[0], ys):
                self.tell(place, "", "skip { … }", None)
                self._steps(_body(xs[0]), ys, place)
            elif len(ys) == 1 and _is_skip_of(ys[0], xs):
                self.tell(place, "", None, "skip { … }")
                self._steps(xs, _body(ys[0]), place)
            else:
                self.tell(place, "", *(_listed(side) or None for side in (xs, ys)))

    def _step(self, before: Part, after: Part, place: str) -> None:
        if before.copies != after.copies:
            self.tell(place, f"{before.name} repeat", str(before.copies), str(after.copies))
        match before.kind:
            case "operation":
                given = dict(after.arguments)
                for name, value in before.arguments:
                    if given[name] != value:
                        self.tell(place, f"{before.name} {name}", value, given[name])
            case "block":
                self._block(before, after, place)
            case "shortcut" | "branch":
                self._steps(before.parts, after.parts, f"{place} > {before.name}")
            case "skip":
                self._steps(_body(before), _body(after), place)
                self._steps(_shortcut(before), _shortcut(after), place)
            case _:
                self._steps(before.parts, after.parts, place)


def _relative(part: Part, outer: int) -> Part:
    """A part with the number of copies that its `outer` part, so often there, has of it."""
    inside = tuple(_relative(inner, part.copies) for inner in part.parts)
    return replace(part, copies=part.copies // outer, parts=inside)


def _effect(part: Part, arguments: bool = True) -> Hashable:
    """What one copy of a part does, whatever its blocks are called; those that are equal here do the same.

    Without the `arguments` of operations it is what kinds of steps there are.
    """
    given = part.arguments if arguments and part.kind == "operation" else ()
    return _label(part), given, tuple((inner.copies, _effect(inner, arguments)) for inner in part.parts)


def _kinds(part: Part) -> list[str]:
    """The kinds of steps, in the order of their first; a shortcut comes and goes with the shape."""
    found = [_label(part)]
    for inner in part.parts:
        found += _kinds(inner) if inner.kind != "shortcut" else []
    return list(dict.fromkeys(found))


def _label(part: Part) -> str:
    """What parts have in common that are compared with each other."""
    return part.name if part.kind == "operation" else part.kind


def _labels(parts: Sequence[Part]) -> list[str]:
    return list(map(_label, parts))


def _body(skip: Part) -> list[Part]:
    return [part for part in skip.parts if part.kind != "shortcut"]


def _shortcut(skip: Part) -> list[Part]:
    return [part for part in skip.parts if part.kind == "shortcut"]


def _is_skip_of(part: Part, steps: Sequence[Part]) -> bool:
    """Whether a part is a skip connection around such steps."""
    return part.kind == "skip" and _labels(_body(part)) == _labels(steps)


def _alike(before: Sequence[Part], after: Sequence[Part]) -> bool:
    return len(before) == len(after) == 1 and _label(before[0]) == _label(after[0])


def _aligned(
    before: Sequence[Part], after: Sequence[Part]
) -> Iterator[tuple[Sequence[Part], Sequence[Part]]]:
    """Parts with those that stand for them, one by one, and between them those that have no counterpart.

    By their labels, where these are the same in both; else equal parts first.
    """
    if _labels(before) == _labels(after):
        yield from (([x], [y]) for x, y in zip(before, after, strict=True))
        return
    effects: list[list[Hashable]] = [
        [(part.copies, _effect(part)) for part in side] for side in (before, after)
    ]
    for equal, xs, ys in _matched(before, after, *effects):
        if equal:
            yield from (([x], [y]) for x, y in zip(xs, ys, strict=True))
            continue
        for same, left, right in _matched(xs, ys, _labels(xs), _labels(ys)):
            if same:
                yield from (([x], [y]) for x, y in zip(left, right, strict=True))
            else:
                yield left, right


def _matched(
    before: Sequence[Part], after: Sequence[Part], left: Sequence[Hashable], right: Sequence[Hashable]
) -> Iterator[tuple[bool, Sequence[Part], Sequence[Part]]]:
    """Runs of parts whose keys `left` and `right` are equal, and the runs between them."""
    for kind, i, k, j, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        yield kind == "equal", before[i:k], after[j:m]


def _side_by_side(before: Sequence[Part], after: Sequence[Part]) -> Iterator[tuple[Part, Part]]:
    """The blocks of two stages, first with first and so on; equal ones in a row once."""
    x, y = ([part for part in side for _ in range(part.copies)] for side in (before, after))
    last = None
    for pair in zip(x, y, strict=False):
        if last is None or pair[0] is not last[0] or pair[1] is not last[1]:
            yield pair
        last = pair


def _written(part: Part) -> str:
    """A part as it would be written, its own parts too where they aren't those of a block."""
    return _times(part.title, part.copies) + ("" if _is_call(part) else f" {{ {_listed(part.parts)} }}")


def _is_call(part: Part) -> bool:
    return part.kind in ("operation", "block")


def _listed(parts: Sequence[Part]) -> str:
    """Parts as they would be written; those in a row that are written alike once."""
    rows = groupby(parts, key=lambda part: part.title if _is_call(part) else part)
    found = [(key, list(group)) for key, group in rows]
    return ", ".join(
        _times(key, sum(part.copies for part in group)) if isinstance(key, str) else _written(key)
        for key, group in found
    )


def _times(title: str, copies: int) -> str:
    return title if copies == 1 else f"{title} × {copies}"
