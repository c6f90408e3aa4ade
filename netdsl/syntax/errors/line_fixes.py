"""Fixes of lines with the bodies that they open."""

from __future__ import annotations

import re

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Edit, Fix, Help
from netdsl.syntax.tokens import closing


def write_body(text: str, title: str, line: Span, brace: int | None, *, safe: bool, whole: bool) -> Help:
    """A fix of a line, up to its `{` at an offset, or with braces around the indented lines below it: `…` is
    the body. It is a sentence where the text goes on behind it (not `whole`), or is left open.
    """
    source = line.source
    indent = source.text[: line.start].rpartition("\n")[2]
    indent = indent if not indent.strip() else ""
    head, gap, tail = text.rpartition("…")
    if gap and brace is not None:  # in place of the line up to its `{`, and of the brace that closes it
        end = closing(source, brace)
        edits = [Edit(Span(source, line.start, brace + 1), head.rstrip())]
        if end < len(source.text) and tail.strip() != "}":
            edits.append(Edit(Span(source, end, end + 1), tail.strip()))
        return Fix(title, tuple(edits), safe)
    if gap:
        end = _indented(source, line)
        if end == line.end or tail != " }":
            return title
        closed = Edit(Span(source, end, end), f"\n{indent}}}")
        return Fix(title, (Edit(line, head.rstrip()), closed), safe)
    edits = [Edit(line, text.replace("\n", f"\n{indent}"))]
    if brace is not None and "{" not in text:  # without braces
        end = closing(source, brace)
        edits[0] = edits[0]._replace(span=Span(source, line.start, max(line.end, brace + 1)))
        edits += [Edit(Span(source, end, end + 1), "")] if line.end < end < len(source.text) else []
    elif not whole:
        return title
    return Fix(title, tuple(edits), safe)


def _indented(source: Source, line: Span) -> int:
    """The end of the lines below a line that are indented more."""
    end = source.text.find("\n", line.end)
    indent = len(re.match(r"\s*", source.line(source.position(line.start)[0]))[0])  # type: ignore[index]
    last, place = line.end, end + 1
    for below in source.text[place:].split("\n") if end >= 0 else ():
        if below.strip() and len(below) - len(below.lstrip()) <= indent:
            break
        place += len(below) + 1
        last = place - 1 if below.strip() else last
    return last
