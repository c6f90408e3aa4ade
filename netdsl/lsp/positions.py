"""Positions in a text as an editor counts them, and in an older version of the text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

_NEWLINE = re.compile(r"\r\n|\n|\r")

# The number of bytes of a unit of an encoding; an editor counts in units.
_UNITS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


class Lines:
    """The lines of a text, and columns in the units of an encoding (`utf-16` as a rule)."""

    def __init__(self, text: str, encoding: str) -> None:
        self._text = text
        self._unit = _UNITS[encoding]
        self._codec = "utf-8" if encoding == "utf-8" else f"{encoding}-le"
        ends = list(_NEWLINE.finditer(text))
        self._starts = [0, *(match.end() for match in ends)]
        self._ends = [*(match.start() for match in ends), len(text)]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 0."""
        line = bisect_right(self._starts, offset) - 1
        return line, self._units(self._text[self._starts[line] : offset])

    def offset(self, line: int, column: int) -> int:
        """The offset of a place; a place after the end of a line, or of the text, is clamped to it."""
        if line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[line], self._ends[line]
        if self._text.isascii() or self._unit == 4:
            return min(start + column, end)
        encoded = self._text[start:end].encode(self._codec, "surrogatepass")[: column * self._unit]
        return start + len(encoded.decode(self._codec, "ignore"))

    def _units(self, text: str) -> int:
        return len(text) if text.isascii() else len(text.encode(self._codec, "surrogatepass")) // self._unit


@dataclass(frozen=True, slots=True)
class Shift:
    """Maps places of an older text to the current one and back.

    All that is equal at the start and at the end of both stays; what lies between was edited.
    """

    prefix: int
    old_end: int
    new_end: int

    @classmethod
    def between(cls, old: str, new: str) -> Shift:
        shorter = min(len(old), len(new))
        # The lengths for which the texts agree come first, so the longest is found by bisection.
        prefix = bisect_left(range(1, shorter + 1), True, key=lambda n: old[:n] != new[:n])
        rest = range(1, shorter - prefix + 1)
        suffix = bisect_left(rest, True, key=lambda n: old[len(old) - n :] != new[len(new) - n :])
        return cls(prefix, len(old) - suffix, len(new) - suffix)

    def to_old(self, offset: int) -> int | None:
        """The place in the older text; None for what is new."""
        if offset >= self.new_end:
            return offset - self.new_end + self.old_end
        return offset if offset <= self.prefix else None

    def to_new(self, start: int, end: int) -> tuple[int, int] | None:
        """A range in the current text; None where it was edited away."""
        if end <= self.prefix:
            return start, end
        moved = self.new_end - self.old_end
        if start >= self.old_end:
            return start + moved, end + moved
        if start <= self.prefix and end >= self.old_end:
            return start, end + moved
        return None
