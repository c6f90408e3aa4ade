"""Source text and places in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")

# The most characters of a text that is compiled. Of longer files no more is read: a device may have no end.
MAX_LENGTH = 100_000


@dataclass(frozen=True)
class Source:
    """A text and the name under which errors show it (a path, or `--epochs`). One that comes with netdsl, as
    the standard blocks, is `builtin`.
    """

    name: str
    text: str = field(repr=False)
    builtin: bool = False
    _derived: dict[Callable[[str], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def derived(self, make: Callable[[str], T]) -> T:
        """The result of a function for the text, computed once."""
        if make not in self._derived:
            self._derived[make] = make(self.text)
        found: T = self._derived[make]
        return found

    @property
    def is_option(self) -> bool:
        """True if it is a value of the command line, not a file."""
        return self.name.startswith("--")

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, char in enumerate(self.text) if char == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its newline."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of offsets in a source; line and column are computed when shown."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def first_line(self) -> Span:
        """The part of it in its first line."""
        return Span(self.source, self.start, self.start + len(self.text.split("\n", 1)[0].rstrip()))

    def within(self, other: Span) -> bool:
        """True if `other` encloses this one."""
        return self.source is other.source and other.start <= self.start and self.end <= other.end

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)
