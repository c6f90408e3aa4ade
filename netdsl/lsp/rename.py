"""Renaming: all occurrences of a name, in all files that use it.

The meanings of all names are compared before and after, so that no other name is captured.
"""

from __future__ import annotations

import keyword
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from netdsl.language.words import RESERVED, STAGE_NAMES
from netdsl.lsp.reading import Reading, read
from netdsl.ops import OPERATIONS
from netdsl.resolve.bindings import Occurrence, Symbol

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The words of the language, apart from operations.
WORDS = frozenset({*RESERVED, *STAGE_NAMES, "in", "unit", "same"})

# The places of a name by file: start and end of each, in order.
Edits = Mapping[str, list[tuple[int, int]]]


class Refused(Exception):
    """A name can't be renamed; `str()` is the reason, for the user."""


def renamed(reading: Reading, offset: int) -> Occurrence:
    """The name at an offset that can be changed; raises Refused for all else."""
    if not reading.is_whole:
        raise Refused("the file has syntax errors: fix them first")
    found = reading.names.at(reading.source.name, offset)
    if found is None:
        raise Refused("only names that a file defines can be renamed")
    if found.symbol.kind == "constant" and found.symbol.whole.text.startswith(("classes", "detect")):
        raise Refused(f"`{found.symbol.name}` is a word of the language")
    if found.symbol.span.source.name not in reading.files:
        raise Refused(f"`{found.symbol.name}` is a standard block: define a block of your own")
    return found


def is_shared(symbol: Symbol) -> bool:
    """True if files that use this one can refer to a name."""
    return symbol.kind in ("block", "label") or (
        symbol.kind == "parameter" and symbol.owner is not None and symbol.owner.kind == "block"
    )


def rename(
    reading: Reading, offset: int, new: str, users: Iterable[Reading], reader: Callable[[str], str]
) -> Edits:
    """The places to change, by file. `users` are other files, of which some may use this one."""
    symbol = renamed(reading, offset).symbol
    if new == symbol.name:
        return {}
    _check(new)
    place = (symbol.span.source.name, symbol.span.start)
    involved = [reading, *(user for user in users if place[0] in user.files)]
    places: set[tuple[str, int, int]] = set()
    for one in involved:
        if not one.is_whole:
            raise Refused(f"{one.source.name} uses it and has syntax errors: fix them first")
        for found in one.names.occurrences:
            own = found.symbol.span
            if (own.source.name, own.start) == place:
                places.add((found.span.source.name, found.span.start, found.span.end))
    edits: dict[str, list[tuple[int, int]]] = {}
    for path, start, end in sorted(places):
        edits.setdefault(path, []).append((start, end))
    for one in involved:
        _verify(one, edits, symbol.name, new, reader)
    return edits


def _check(new: str) -> None:
    if not _NAME.fullmatch(new):
        raise Refused(f"`{new}` is not a valid name: use letters, digits and `_`, and no digit first")
    if new in WORDS:
        raise Refused(f"`{new}` is a word of the language")
    if new in OPERATIONS:
        raise Refused(f"`{new}` is an operation")
    if keyword.iskeyword(new):
        raise Refused(f"`{new}` is a Python keyword")


def _verify(before: Reading, edits: Edits, old: str, new: str, reader: Callable[[str], str]) -> None:
    """Compiles the edited texts: every name must keep its meaning, and there must be no new error."""

    def edited(path: str) -> str:
        return _edited(before.files[path], edits.get(path, []), new) if path in before.files else reader(path)

    main = before.source.name
    after = read(main, edited(main), edited)
    known = Counter(found.code for found in before.compiled.errors)
    for error in after.compiled.errors:
        if known[error.code] == 0:
            raise Refused(f"`{old}` can't be renamed to `{new}`: {error.message}")
        known[error.code] -= 1
    if _meanings(before, edits, len(new)) != _meanings(after, {}, 0):
        raise Refused(f"`{new}` means something else where `{old}` is used")


def _edited(text: str, places: list[tuple[int, int]], new: str) -> str:
    parts, end = [], 0
    for start, stop in places:
        parts += [text[end:start], new]
        end = stop
    return "".join([*parts, text[end:]])


def _meanings(reading: Reading, edits: Edits, length: int) -> set[tuple[str, int, str, int]]:
    """The definition of each occurrence, by the places that they have after the edits."""

    def moved(path: str, offset: int) -> int:
        places = edits.get(path, [])
        passed = places[: bisect_left(places, (offset, 0))]
        return offset + sum(length - (end - start) for start, end in passed)

    spans = ((found.span, found.symbol.span) for found in reading.names.occurrences)
    return {
        (a.source.name, moved(a.source.name, a.start), b.source.name, moved(b.source.name, b.start))
        for a, b in spans
    }
