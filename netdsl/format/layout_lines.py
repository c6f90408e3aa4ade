"""Lines of the layout, and the columns of the comments behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Spaces before a comment after code: more than the two between the columns of a table.
_BEFORE_COMMENT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `blank`: an empty line precedes it."""

    indent: int
    text: str
    comment: str = ""
    blank: bool = False

    @property
    def width(self) -> int:
        return self.indent + len(self.text)


def joined(lines: Iterable[Line]) -> str:
    """The text of the lines; comments behind neighbouring lines start in one column."""
    shown: list[str] = []
    for run in _runs(lines):
        column = max((line.width for line in run if line.text and line.comment), default=0) + _BEFORE_COMMENT
        for line in run:
            if line.blank and shown:
                shown.append("")
            text = " " * line.indent + line.text
            behind = line.text and line.comment
            shown.append(text.ljust(column) + line.comment if behind else text + line.comment)
    return "".join(f"{line}\n" for line in shown)


def _runs(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Neighbouring lines of one indentation with comments behind them; any other line by itself."""
    run: list[Line] = []
    for line in lines:
        behind = bool(line.text and line.comment)
        if run and (not behind or line.blank or line.indent != run[-1].indent):
            yield run
            run = []
        if behind:
            run.append(line)
        else:
            yield [line]
    if run:
        yield run
