"""Finds missing closing brackets by the indentation of lines."""

from __future__ import annotations

import re
from typing import NamedTuple

from netdsl.ops import OPERATIONS
from netdsl.syntax.tokens import BRACKETS, CLOSING, OPENING

_LINE = re.compile(r"([ \t]*)(\S)?")
# The end of a complete line, not of a value that continues on the next one.
_WHOLE = re.compile(r"[\w)\]}\"]")
# The start of a line that is not in a body.
_STATEMENT = re.compile(r"(network|input|classes|order|stem|head|stages?|block|train|expect)\b")
_STEP = re.compile(rf"\s*,\s*({'|'.join(OPERATIONS)})\b")
_NAMED = re.compile(r"\s*,\s*\w+\s*=(?!=)")


class MissingBracket(NamedTuple):
    """A bracket that isn't closed, and the end of the text that it should enclose."""

    opened: int
    end: int


class _Open(NamedTuple):
    place: int
    # The indentation of its line.
    indent: int


def missing_bracket(text: str, start: int) -> MissingBracket | None:
    """The bracket of the statement at `start` that lacks the other one where the lines say that it ends; None
    where they don't say it.
    """
    opened: list[_Open] = []
    indent = 0
    # The brackets whose body is indented.
    deeper: set[int] = set()
    end = start
    for match in BRACKETS.finditer(text, start):
        char, place = match.group(), match.start()
        if char == "{" and opened and text[opened[-1].place] != "{":  # never inside of the others
            return MissingBracket(opened[-1].place, _before(text, place))
        if char in CLOSING:
            opened.append(_Open(place, indent))
        elif char in OPENING:
            if not opened:
                return None
            if CLOSING[text[opened[-1].place]] != char:
                return MissingBracket(opened[-1].place, _inside(text, opened[-1].place, _before(text, place)))
            opened.pop()
        elif char == "\n":
            line = _LINE.match(text, place + 1)
            assert line is not None
            if line[2] in (None, "#", "\n"):
                continue
            indent, end = len(line[1].expandtabs()), _before(text, place)
            if not opened:
                return None
            innermost = opened[-1]
            if text[innermost.place] != "{":
                follows = _STATEMENT.match(text, place + 1)
                if follows or (line[2] not in "})]" and _WHOLE.match(text, end - 1)):
                    return MissingBracket(innermost.place, _inside(text, innermost.place, end))
            elif indent > innermost.indent:
                deeper.add(innermost.place)
            elif indent < innermost.indent or line[2] not in "})]":
                inline = innermost.place < end - 1 and "\n" not in text[innermost.place : end]
                if innermost.place in deeper or inline or _STATEMENT.match(text, place + 1):
                    return MissingBracket(innermost.place, end)
    last = _before(text, len(text))
    return MissingBracket(opened[-1].place, last) if opened and opened[-1].place in deeper else None


def _inside(text: str, opened: int, end: int) -> int:
    """The end of what a bracket was to enclose: lists have no names, `at=[1, 2, factor=0.1)`, and operations
    aren't given others, `conv(64, 3, relu }`.
    """
    called = re.search(r"\w*$", text[max(0, opened - 30) : opened])
    stranger = _NAMED if text[opened] == "[" else _STEP if called and called[0] in OPERATIONS else None
    found = stranger.search(text, opened, end) if stranger else None
    return found.start() if found else end


def _before(text: str, place: int) -> int:
    """The end of the text before a place, without spaces and comments."""
    start = text.rfind("\n", 0, place) + 1
    line = re.sub(r"#.*", "", text[start:place]).rstrip()
    return start + len(line) if line.strip() else len(text[:start].rstrip())
