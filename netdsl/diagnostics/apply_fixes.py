"""Applies the fixes of a text's diagnostics, again and again until none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source
from netdsl.diagnostics.diagnostic import Diagnostic
from netdsl.diagnostics.fixes import Fix, edited

# Returns the diagnostics of a text.
Diagnose: TypeAlias = Callable[[Source], Sequence[Diagnostic]]

# A fix often shows the next error; more rounds than this mean that fixes undo each other.
MAX_ROUNDS = 50


class Fixed(NamedTuple):
    """A text after its fixes, the number of diagnostics that they removed, and those that are left."""

    source: Source
    removed: int
    left: tuple[Diagnostic, ...]


def apply_fixes(source: Source, diagnose: Diagnose, unsafe: bool = False) -> Fixed:
    """Applies the first fix of each diagnostic if it is safe, or `unsafe` is set.

    A fix after which its diagnostic is still there, or the text has more syntax errors that have no fix, is
    not applied.
    """
    left, count = tuple(diagnose(source)), 0
    refused: set[tuple[str, str, str]] = set()
    for _ in range(MAX_ROUNDS):
        chosen = [
            found
            for found in left
            if identity(found) not in refused and any(f.safe or unsafe for f in fixes_in(source, found)[:1])
        ]
        applied = _separate(source, chosen)
        if not applied:
            break
        after = _applied(source, applied)
        remaining = tuple(diagnose(after))
        if failed(applied, left, remaining):
            if len(applied) > 1:  # find out which by applying one at a time
                applied = applied[:1]
                after = _applied(source, applied)
                remaining = tuple(diagnose(after))
            if failed(applied, left, remaining):
                refused.add(identity(applied[0]))
                continue
        source, left, count = after, remaining, count + len(applied)
    return Fixed(source, count, left)


def fixes_in(source: Source, found: Diagnostic) -> list[Fix]:
    """The fixes of a diagnostic that edit nothing but a text."""
    return [fix for fix in found.fixes if all(e.span.source.name == source.name for e in fix.edits)]


def _separate(source: Source, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics whose first fixes don't overlap: of those that do, the first one."""
    taken: list[tuple[int, int]] = []
    separate = []
    for found in diagnostics:
        places = [(edit.span.start, edit.span.end) for edit in fixes_in(source, found)[0].edits]
        if not any(
            start <= other_end and other <= end for start, end in places for other, other_end in taken
        ):
            taken += places
            separate.append(found)
    return separate


def _applied(source: Source, diagnostics: Iterable[Diagnostic]) -> Source:
    edits = [edit for found in diagnostics for edit in fixes_in(source, found)[0].edits]
    return Source(source.name, edited(source.text, edits))


def failed(applied: Iterable[Diagnostic], before: Iterable[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """True if a diagnostic is still there after its fix was applied, or the text has more syntax errors that
    have no fix: what is in the body of `train: …` is read only when it has braces.
    """
    left, counted = Counter(map(identity, after)), Counter(map(identity, before))
    stays = any(left[identity(found)] >= counted[identity(found)] for found in applied)
    return stays or _unfixable(after) > _unfixable(before)


def identity(found: Diagnostic) -> tuple[str, str, str]:
    """The same for a diagnostic that has moved, but another one for a like mistake in another line."""
    source, start = (found.labels[0].span.source, found.labels[0].span.start) if found.labels else (None, 0)
    return (found.code, found.message, source.line(source.position(start)[0]) if source else "")


def _unfixable(diagnostics: Iterable[Diagnostic]) -> int:
    return sum(found.code[3] == "1" and not found.fixes for found in diagnostics)
