"""Diagnostics as text for people: message, place, excerpts with carets, notes, help."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Literal, TypeAlias

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.printing import printable
from netdsl.base.source import Source
from netdsl.diagnostics import Diagnostic, Label

# The role of a piece of the text, which decides its colour in a terminal.
Role: TypeAlias = Literal["error", "warning", "message", "related", "gutter", "help"]
Paint: TypeAlias = Callable[[str, Role], str]

# A row of single characters by their cells.
Signs: TypeAlias = dict[int, tuple[str, Role]]

# The longest excerpt of a line where the width of the terminal is unknown.
LONGEST_LINE = 160

# In a narrower terminal lines are wrapped to this width.
_NARROWEST = 30

# The largest number of cells before the label in an excerpt of a long line.
_CONTEXT = 20

_TAB = "    "


def plain(text: str, role: Role) -> str:
    """Without colours."""
    return text


def render(diagnostic: Diagnostic, width: int | None = None, paint: Paint = plain) -> str:
    """The diagnostic as text: message, place, offending lines with carets, notes, help.

    `width` is that of the terminal: longer lines are broken. `paint` colours and must not change the text.
    """
    severity = diagnostic.severity
    width = None if width is None else max(width, _NARROWEST)
    lasts = [label.span.source.position(label.span.start)[0] for label in diagnostic.labels]
    gutter = _Gutter(len(str(max(lasts, default=1))), paint)
    room = None if width is None else width - gutter.width

    kind = f"{severity}[{diagnostic.code}]"
    head = wrap(f"{kind}: {printable(diagnostic.message)}", width, hanging=4)
    lines = [paint(kind, severity) + paint(head[0].removeprefix(kind), "message")]
    lines += [paint(line, "message") for line in head[1:]]
    for index, (source, labels) in enumerate(_by_source(diagnostic.labels)):
        line, column = source.position(labels[0].span.start)
        lines.append(
            gutter.arrow("-->" if index == 0 else ":::") + f" {printable(source.name)}:{line}:{column}"
        )
        lines.append(gutter.bar())
        roles: dict[Label, Role] = dict.fromkeys(labels, "related")
        if index == 0:
            roles[labels[0]] = severity
        lines += _excerpt(source, roles, room, gutter)
    if diagnostic.labels and (diagnostic.notes or diagnostic.help_text):
        lines.append(gutter.bar())
    for note in diagnostic.notes:
        lines += _hung(gutter.equals(), printable(note), width, gutter.width)
    if diagnostic.help_text:
        start = gutter.equals() + paint("help:", "help") + " "
        lines += _hung(start, printable(diagnostic.help_text), width, gutter.width + 6)
    return "\n".join(lines)


def _by_source(labels: Sequence[Label]) -> list[tuple[Source, list[Label]]]:
    """The labels of each file; the first label's file comes first."""
    sources = list(dict.fromkeys(label.span.source for label in labels))
    return [(source, [label for label in labels if label.span.source == source]) for source in sources]


@lazy_dataclass
class _Gutter:
    """The column left of the excerpt: line numbers and a rule."""

    digits: int
    paint: Paint

    @property
    def width(self) -> int:
        """The cells before the excerpt."""
        return self.digits + 3

    def number(self, line: int) -> str:
        return self.paint(f"{line:>{self.digits}} |", "gutter")

    def bar(self) -> str:
        return self.paint(" " * self.digits + " |", "gutter")

    def dots(self) -> str:
        return self.paint("." * (self.digits + 2), "gutter")

    def arrow(self, arrow: str) -> str:
        return self.paint(" " * self.digits + arrow, "gutter")

    def equals(self) -> str:
        return self.paint(" " * self.digits + " =", "gutter") + " "


def _hung(start: str, text: str, width: int | None, indent: int) -> list[str]:
    """`start` and the text; further lines are indented to the text's first word."""
    first, *rest = wrap(text, None if width is None else width - indent)
    return [start + first, *(" " * indent + line for line in rest)]


# --- excerpts ------------------------------------------------------------------------------------


@lazy_dataclass
class _Mark:
    """The underline of one label, from cell `start` up to `end`, and its text."""

    start: int
    end: int
    signs: str
    role: Role
    text: str


def _excerpt(source: Source, roles: dict[Label, Role], room: int | None, gutter: _Gutter) -> Iterator[str]:
    """The lines of a file that have labels, in their order; `room` are the cells that the terminal has."""
    length = room or LONGEST_LINE
    before = 0
    ordered = sorted(roles, key=lambda label: label.span.start)
    for number, group in groupby(ordered, key=lambda label: source.position(label.span.start)[0]):
        if before and number > before + 2:
            yield gutter.dots()
        elif before and number == before + 2:
            between = _window(source.line(before + 1), 0, 0, length)
            yield f"{gutter.number(before + 1)} {between.shown}".rstrip()
        before = number
        labels = list(group)
        while labels:
            column = _column(labels[0])
            reach = max((end for end in map(_end, labels) if end <= column + length), default=column)
            window = _window(source.line(number), column, reach, length)
            inside = [label for label in labels if _column(label) < window.end] or labels[:1]
            labels = labels[len(inside) :]
            yield f"{gutter.number(number)} {window.shown}".rstrip()
            marks = [_mark(label, roles[label], window) for label in inside]
            yield from (f"{gutter.bar()} {row}" for row in _rows(marks, room, gutter.paint))


def _column(label: Label) -> int:
    """The column of a label's start, from 0."""
    return label.span.source.position(label.span.start)[1] - 1


def _end(label: Label) -> int:
    """The column of a label's end; of several lines the first counts."""
    return _column(label) + len(label.span.text.partition("\n")[0].rstrip())


@lazy_dataclass
class _Window:
    """The part of a line that is shown: from character `start` to before `end`, and where each begins."""

    shown: str
    start: int
    end: int
    offsets: list[int]

    def cell(self, column: int) -> int:
        """The cell of a character; the nearest edge for one outside of the part."""
        return self.offsets[min(max(column - self.start, 0), len(self.offsets) - 1)]


def _window(text: str, column: int, reach: int, room: int) -> _Window:
    """As much of a line as fits into `room` cells: from `column`, if possible up to `reach`, and around."""
    # More characters than cells are never shown: of a very long line only the surroundings are looked at.
    left = max(0, column - room)
    near = text[left : column + room + 1]
    visible = [_visible(char) for char in near]
    begins = _begins(visible)
    first, last = 0, len(near)
    if left or len(text) > left + len(near) or begins[-1] >= room:  # carets may need one more
        room -= 2  # for `…` at both ends
        place, end = (begins[min(at - left, len(near))] for at in (column, reach))
        start = min(place, max(place - min(_CONTEXT, room // 3), end - room), begins[-1] - room)
        first = bisect_left(begins, max(0, start))
        last = max(first, bisect_right(begins, begins[first] + room) - 1)
    before = "…" if left + first else ""
    cut = left + last < len(text)
    offsets = [begin - begins[first] + len(before) for begin in begins[first : last + 1]]
    shown = before + "".join(visible[first:last]) + ("…" if cut else "")
    # The place behind the last character is one, too.
    return _Window(shown, left + first, left + last if cut else len(text) + 1, offsets)


def _begins(visible: list[str]) -> list[int]:
    """The cell where each of these characters begins, and where the last one ends."""
    joined = "".join(visible)
    if joined.isascii():
        return list(accumulate(map(len, visible), initial=0))
    # A combining mark or a selector changes the character before it: beginnings are measured, not added up.
    ends = list(accumulate(map(len, visible), initial=0))
    return list(accumulate((cells(joined[:end]) for end in ends), max))


def _mark(label: Label, role: Role, window: _Window) -> _Mark:
    """The carets of a label; of several lines only the first is marked, followed by `…`."""
    start, end = window.cell(_column(label)), window.cell(_end(label))
    signs = ("-" if role == "related" else "^") * max(1, end - start)
    goes_on = "\n" in label.span.text.strip() or _end(label) > window.end
    signs += "…" if goes_on and start < end else ""
    return _Mark(start, start + len(signs), signs, role, printable(label.text))


def _rows(marks: list[_Mark], room: int | None, paint: Paint) -> Iterator[str]:
    """The rows below a line: carets, and what they say, from the right to the left."""
    said = sorted((mark for mark in marks if mark.text), key=lambda mark: mark.start, reverse=True)
    beside = ""
    if said and said[0].end == max(mark.end for mark in marks):
        last = said[0]
        if room is None or last.end + 1 + cells(last.text) <= room:
            beside = " " + paint(last.text, last.role)
            said = said[1:]
    # A short mark inside of a long one stays visible, and the primary one at the place of another.
    signs: Signs = {}
    for mark in sorted(marks, key=lambda mark: (mark.start - mark.end, mark.role != "related")):
        signs |= {mark.start + index: (sign, mark.role) for index, sign in enumerate(mark.signs)}
    yield _drawn(signs, paint) + beside
    # A text moves to the left if there is little room to the right.
    places = {mark: mark.start if room is None else _moved(mark, room) for mark in said}
    leading: Signs = {mark.start: ("|", mark.role) for mark in said if places[mark] == mark.start}
    if leading:
        yield _drawn(leading, paint)
    for mark, place in places.items():
        leading = {cell: sign for cell, sign in leading.items() if cell < min(mark.start, place)}
        row = _drawn(leading, paint)
        row += " " * (place - max(leading, default=-1) - 1)
        yield from (row + paint(line, mark.role) for line in wrap(mark.text, room and room - place))


def _moved(mark: _Mark, room: int) -> int:
    """The first cell of a mark's text, far enough left that some words fit."""
    return max(0, min(mark.start, room - min(cells(mark.text), _NARROWEST)))


def _drawn(signs: Signs, paint: Paint) -> str:
    """The row of signs, with spaces between them."""
    row = ""
    everywhere = range(max(signs, default=-1) + 1)
    for role, group in groupby(everywhere, key=lambda cell: signs[cell][1] if cell in signs else None):
        run = list(group)
        row += " " * len(run) if role is None else paint("".join(signs[cell][0] for cell in run), role)
    return row


# --- text ----------------------------------------------------------------------------------------


def _visible(char: str) -> str:
    """A character of an excerpt, in which each has its own cells."""
    return char if char.isprintable() else _TAB if char == "\t" else "�"


def cells(text: str) -> int:
    """The width of a text in a terminal: 2 for a Chinese character, 0 for a combining accent."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # late: nearly all files are ASCII

    return cell_len(text)


def wrap(text: str, width: int | None, hanging: int = 0) -> list[str]:
    """The text in lines of `width` cells, broken at spaces; all but the first are indented."""
    if width is None or cells(text) <= width:
        return [text]
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        if cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(" " * hanging + word)
    return lines
