"""Fixes: edits of the text that remove a diagnostic, and the instruction that the printed help gives."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import TypeAlias

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span


class Edit(NamedTuple):
    """The replacement of a span of the text; the span of an insertion is empty."""

    span: Span
    new_text: str


@lazy_dataclass
class Fix:
    """Edits that remove a diagnostic; they don't overlap. The `title` is an instruction: "write `relu`".

    It is `safe` if the edited file compiles and most likely means what the user meant.
    """

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True

    @property
    def applies(self) -> bool:
        """True if all its edits are in the user's files, not on the command line or in netdsl itself."""
        sources = [edit.span.source for edit in self.edits]
        return not any(source.is_option or source.builtin for source in sources)

    @property
    def instruction(self) -> str:
        """The title; on the command line it has the form of an option: "write `--set depth=34`"."""
        options = {edit.span.source for edit in self.edits if edit.span.source.is_option}
        if not options:
            return self.title
        source = options.pop()
        text = edited(source.text, (edit for edit in self.edits if edit.span.source is source))
        return re.sub("`[^`]*`", lambda _: f"`{_argument(source.name, text)}`", self.title, count=1)


def _argument(option: str, value: str) -> str:
    """An option and its value, quoted for a shell: `--data folder:mnist`, `--set act=relu`."""
    option, _, name = option.partition(" ")
    if folder := re.fullmatch(r'folder\("(.*)"\)', value):
        value = f"folder:{folder[1]}"
    return f"{option} {shlex.quote(f'{name}={value}' if name else value)}"


# The help of a diagnostic: a fix, a sentence if only the user can decide, or several of them.
Help: TypeAlias = "str | Fix | tuple[str | Fix, ...]"


def write(span: Span, text: str, why: str = "", *, shown: str = "", safe: bool = True) -> Fix:
    """Replaces a span. `why` follows the text in the title; `shown` is the text there if it is longer."""
    return Fix(f"write `{shown or text}`{why}", (Edit(span, text),), safe)


def add(place: Span, text: str, why: str = "", *, shown: str = "", safe: bool = True) -> Fix:
    """Inserts a text directly after a span."""
    after = Span(place.source, place.end, place.end)
    return Fix(f"add `{shown or text.strip(' ,')}`{why}", (Edit(after, text),), safe)


def add_line(place: Span, line: str, why: str = "", *, before: bool = False, safe: bool = True) -> Fix:
    """Inserts a line after the last line of a span, or before its first one, with the indentation of that."""
    text = place.source.text
    start, end = _lines(place)
    indent = re.match(r"[ \t]*", text[start:])
    new = f"{indent[0] if indent else ''}{line}"
    offset = start if before else end
    new = f"{new}\n" if before or text[:end].endswith("\n") else f"\n{new}"
    return Fix(f"add `{line}`{why}", (Edit(Span(place.source, offset, offset), new),), safe)


def remove(span: Span, title: str = "remove it", *, safe: bool = True) -> Fix:
    """Deletes a span with the comma that separates it, or the lines or brackets that have nothing else."""
    text = span.source.text
    start, end = _lines(span)
    before, after = text[start : span.start], text[span.end : end]
    if before.strip() or not re.fullmatch(r"\s*,?\s*(#.*\s*)?", after):
        start, end = span.start, span.end
        if following := re.match(r"[ \t]*,[ \t]*", text[end:]):
            end += following.end()
        elif preceding := re.search(r"\s*,[ \t]*$", text[:start]):
            start = preceding.start()
        elif text[start - 1 : start] == "(" and text[end : end + 1] == ")":
            start, end = start - 1, end + 1
    return Fix(title, (Edit(Span(span.source, start, end), ""),), safe)


def remove_cell(cell: Span) -> Fix:
    """Deletes a cell of a table, with the spaces after it, or before the last one of its line."""
    text = cell.source.text
    start, end = cell.start, cell.end
    if text[start - 1] == "(" and text[end : end + 1] == ")":
        start, end = start - 1, end + 1
    cell = Span(cell.source, start, end)
    while text[end : end + 1] == " ":
        end += 1
    if end == len(text) or text[end] in "\n#":
        end = cell.end
        while text[start - 1] == " ":
            start -= 1
    return Fix("remove it", (Edit(Span(cell.source, start, end), ""),))


def add_step(body: Span, steps: str, why: str = "", *, safe: bool = True) -> Fix:
    """Inserts steps at the end of a body, whose span ends with its `}`."""
    end = body.end - 1
    before = body.source.text[body.start : end]
    title = f"add `{steps}`{why}"
    if "\n" in before:
        line = add_line(Span(body.source, end, end), f"  {steps}", before=True)
        return Fix(title, line.edits, safe)
    place = Span(body.source, body.start, body.start + len(before.rstrip()))
    return Fix(title, add(place, f" {steps}" if before.rstrip().endswith("{") else f", {steps}").edits, safe)


def _lines(span: Span) -> tuple[int, int]:
    """The start of the first line of a span, and the end of its last one with its newline."""
    text = span.source.text
    newline = text.find("\n", max(span.start, span.end - 1))
    return text.rfind("\n", 0, span.start) + 1, len(text) if newline < 0 else newline + 1


def edited(text: str, edits: Iterable[Edit]) -> str:
    """A text after edits that don't overlap."""
    for span, new in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: span.start] + new + text[span.end :]
    return text
