"""Splits a file into statements, and statements into parts, by brackets and newlines alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostics, Label
from netdsl.language.words import STATEMENTS
from netdsl.syntax.missing_brackets import MissingBracket, missing_bracket
from netdsl.syntax.tokens import BRACKETS, CLOSING, OPENING

MAX_DEPTH = 64
_TAKES_BODY = re.compile(r"\s*(stem|head|layers|block|stages|train|init)\b")
_STARTS_STATEMENT = re.compile(rf"({'|'.join(STATEMENTS)})\b")
_CONTINUES = re.compile(r"(\s|#[^\n]*\n)*else\b")
# The `{` of a statement on the next line: an error, but one that is easily read past.
_STRAY_BRACE = re.compile(r"(?:\s|#[^\n]*\n)*\{")

# `||` is not a separator of branches, but the `or` of other languages.
_OUTSIDE = re.compile(r'"[^"\n]*"|#[^\n]*|\|\||[{}()\[\],|\n]')
_STEP_CONTINUES = re.compile(r"(\s|#[^\n]*\n)*(else|shortcut)\b")


class Chunk(NamedTuple):
    """The range of a statement; `erased` are stray newlines and brackets, which are replaced by spaces."""

    start: int
    end: int
    sound: bool
    documentation: str
    erased: tuple[tuple[int, int], ...] = ()

    def text(self, source: Source) -> str:
        """The text for the parser, with the length of the original."""
        kept, place = [], self.start
        for start, end in self.erased:
            kept += [source.text[place:start], " " * (end - start)]
            place = end
        return "".join(kept) + source.text[place : self.end]


def starts_statement(text: str) -> bool:
    return bool(_STARTS_STATEMENT.match(text))


class StatementSplitter:
    """Splits a file at newlines outside brackets, and reports wrong brackets."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self._source = source
        self._text = source.text
        self._diagnostics = diagnostics
        self._erased: list[tuple[int, int]] = []

    def chunks(self) -> Iterator[Chunk]:
        """The statements, each with the comment lines directly above it."""
        text = self._text
        position = 0
        comments: list[str] = []
        while position < len(text):
            end_of_line = text.find("\n", position)
            end_of_line = len(text) if end_of_line < 0 else end_of_line
            line = text[position:end_of_line].strip()
            if line.startswith("#"):
                comments.append(line[1:].strip())
                position = end_of_line + 1
            elif not line:
                comments.clear()
                position = end_of_line + 1
            else:
                self._erased = []
                end, sound = self._statement_end(position)
                yield Chunk(position, end, sound, "\n".join(comments), tuple(self._erased))
                comments.clear()
                position = end + 1

    def _statement_end(self, start: int) -> tuple[int, bool]:
        """The end of the statement, and whether its brackets match."""
        text = self._text
        opened: list[int] = []
        for match in BRACKETS.finditer(text, start):
            char, place = match.group(), match.start()
            if char.startswith('"') and (len(char) == 1 or not char.endswith('"')):
                self._error("NET101", "the string is not closed", place, match.end(), 'add `"`')
                return self._next_statement(place), False
            if char in CLOSING:
                opened.append(place)
                if len(opened) > MAX_DEPTH:
                    message = f"brackets are nested more than {MAX_DEPTH} deep"
                    self._error("NET104", message, place, place + 1, "reduce the nesting")
                    return self._next_statement(place), False
            elif char in OPENING:
                if opened and CLOSING[text[opened[-1]]] == char:
                    opened.pop()
                elif any(CLOSING[text[bracket]] == char for bracket in opened):
                    self._unclosed(start, opened[-1], place)
                    return self._next_statement(place), False
                else:
                    self._error("NET102", f"unmatched `{char}`", place, place + 1, "remove it")
                    self._erased.append((place, place + 1))
            elif char == "\n" and not opened:
                if not _CONTINUES.match(text, place + 1) and not self._brace_follows(start, place):
                    return place, True
            elif char == "\n" and self._is_forgotten(opened, place):
                self._unclosed(start, opened[-1])
                return place, False
        if opened:
            self._unclosed(start, opened[-1])
            return self._next_statement(start), False
        return len(text), True

    def _brace_follows(self, start: int, place: int) -> bool:
        """Whether the statement's `{` is on the next line; then the newline is ignored."""
        brace = _STRAY_BRACE.match(self._text, place + 1)
        if not brace or "{" in self._text[start:place] or not _TAKES_BODY.match(self._text, start):
            return False
        if self._erased and place < self._erased[-1][1]:
            return True  # another newline of the same gap
        self._erased.append((place, brace.end() - 1))
        message = "`{` must be on the line of its statement"
        self._error("NET101", message, brace.end() - 1, brace.end(), "put it at the end of the previous line")
        return True

    def _is_forgotten(self, opened: list[int], place: int) -> bool:
        """Whether a statement begins on the next line, though brackets are open that nothing closes. (Where
        something closes them the line is an unindented part of the body.)
        """
        if not _STARTS_STATEMENT.match(self._text, place + 1):
            return False
        # A line of a table may start with a transition `layers { … }`.
        in_table = self._text.startswith("layers", place + 1) and len(opened) == 1
        return not in_table and any(bracket not in self._closed for bracket in opened)

    @cached_property
    def _closed(self) -> frozenset[int]:
        """The places of brackets that something closes, if by a bracket of another kind."""
        closed, opened = set(), []
        for match in BRACKETS.finditer(self._text):
            if match.group() in CLOSING:
                opened.append(match.start())
            elif match.group() in OPENING and opened:
                closed.add(opened.pop())
        return frozenset(closed)

    def _next_statement(self, place: int) -> int:
        """The end of the line before the next one that starts a statement."""
        while (place := self._text.find("\n", place)) >= 0:
            if _STARTS_STATEMENT.match(self._text, place + 1):
                return place
            place += 1
        return len(self._text)

    def _unclosed(self, start: int, bracket: int, found: int | None = None) -> None:
        """Reports the bracket that is most likely unclosed: by indentation, else the innermost one.
        That of another kind may have been found in its place.
        """
        also = []
        if gap := missing_bracket(self._text, start):
            bracket = gap.opened
        closing = CLOSING[self._text[bracket]]
        help = f"add `{closing}`"
        if gap:
            place = Span(self._source, gap.end - 1, gap.end)
            also = [Label(place, f"`{closing}` is missing after this")]
            help = _closed_help(self._text, gap, closing, self._source.position(gap.end - 1)[0])
        elif found is not None:
            place = Span(self._source, found, found + 1)
            also = [Label(place, f"found instead of `{closing}`")]
        message, span = f"`{self._text[bracket]}` is not closed", Span(self._source, bracket, bracket + 1)
        self._diagnostics.error("NET102", message, span, "opened here", also=also, help=help)

    def _error(self, code: str, message: str, start: int, end: int, help: str) -> None:
        self._diagnostics.error(code, message, Span(self._source, start, end), help=help)


def _closed_help(text: str, gap: MissingBracket, closing: str, line: int) -> str:
    """The help: where to add the missing bracket; `line` is that of the gap."""
    rest = text[gap.end :].lstrip(" \t").split("\n", 1)[0].strip()
    if rest.startswith((",", "{", *OPENING)):
        shown = rest if rest.startswith(",") else rest[0]
        return f"add `{closing}` before `{shown}` in line {line}"
    if closing != "}" or "\n" not in text[gap.opened : gap.end]:
        return f"add `{closing}` at the end of line {line}"
    if word := _STEP_CONTINUES.match(text, gap.end):
        newlines = word[0].count("\n")
        return f"write `}} {word[2]}` in line {line + newlines}"
    return f"add `}}` on a new line after line {line}"


class Piece(NamedTuple):
    """A part of a body, a table or a recipe; `follows` on the line of the piece before it."""

    start: int
    end: int
    follows: bool


class Parts(NamedTuple):
    """A text with the contents of its outermost braces replaced by spaces, and the pieces of each of these
    bodies. A branch is a body of its own.
    """

    outline: str
    bodies: tuple[tuple[Piece, ...], ...]


def parts(text: str, lines: bool) -> Parts:
    """The parts of a text whose brackets are sound. Commas and `|` separate pieces too, where not `lines`."""
    outline = list(text)
    bodies: list[list[Piece]] = []
    braces = brackets = begin = comment = 0
    follows = branches = False

    def piece(end: int) -> None:
        nonlocal follows
        outline[begin:end] = " " * (end - begin)
        if comment > begin and "\n" not in text[comment:end]:
            end = comment
        if begin < end and (stripped := text[begin:end].strip()):
            start = begin + text[begin:end].index(stripped[0])
            bodies[-1].append(Piece(start, start + len(stripped), follows))
            follows = True

    for match in _OUTSIDE.finditer(text):
        char, place = match.group(), match.start()
        if char == "{":
            braces += 1
            if braces == 1:
                bodies.append([])
                follows = branches = False
                begin = place + 1
        elif char == "}":
            if braces == 1:
                piece(place)
            braces -= 1
        elif char in "()[]":
            brackets += 1 if char in "([" else -1
        elif braces != 1 or brackets:
            continue
        elif char.startswith("#"):
            if text[begin:place].strip():
                comment = place
            else:
                begin = match.end()
                outline[place:begin] = " " * (begin - place)
        elif char == "\n" and not _STEP_CONTINUES.match(text, place + 1):
            piece(place)
            follows, begin = False, place
        elif char == "," and not lines:
            piece(place)
            outline[place] = " "
            begin = place + 1
        elif char == "|" and not lines:
            piece(place)
            if not branches and not bodies[-1]:
                bodies.pop()
            bodies.append([])
            follows, branches, begin = False, True, place + 1
    return Parts("".join(outline), tuple(map(tuple, bodies)))
