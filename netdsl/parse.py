"""Text to syntax tree, with human messages for syntax errors.

A file is first cut into its top-level statements, then each is parsed by itself, so that an error in
one leaves the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from lark import Lark, Token, UnexpectedInput

from netdsl import syntax, tables
from netdsl.diagnostics import Diagnostics, Label
from netdsl.explain import STATEMENTS, explain
from netdsl.source import Source, Span
from netdsl.tree import TreeBuilder

# Bounds, so that reading an unknown file has a bounded cost.
MAX_LENGTH = 1_000_000
MAX_DEPTH = 64

_WORD = re.compile(r"[A-Za-z_]\w*")
_TAKES_BODY = re.compile(r"\s*(stem|head|layers|block|stages|train|init)\b")
_CLOSING = {"{": "}", "(": ")", "[": "]"}
_INTERESTING = re.compile(r'"[^"\n]*"?|#[^\n]*|[{}()\[\]\n]')
_STARTS_STATEMENT = re.compile(rf"({'|'.join(STATEMENTS)})\b")
_CONTINUES = re.compile(r"(\s|#[^\n]*\n)*else\b")
# The `{` of a statement on the next line: an error, but one that is easily read past.
_STRAY_BRACE = re.compile(r"(?:\s|#[^\n]*\n)*\{")


class Newlines:
    """Drops the newlines inside ( ) and [ ], where they mean nothing."""

    always_accept = ("_NL",)

    def process(self, stream: Iterable[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
            if token.type != "_NL" or depth == 0:
                yield token


@cache
def _parser() -> Lark:
    return tables.load(Newlines())


def parse(source: Source, diagnostics: Diagnostics) -> syntax.Program:
    """The program; a statement that can't be read is left out, with a diagnostic."""
    if len(source.text) > MAX_LENGTH:
        diagnostics.error("NET100", f"{source.name} is longer than {MAX_LENGTH:,} characters")
        return syntax.Program(())
    statements = []
    unread: list[tuple[str, str]] = []
    failed = False
    for chunk in _chunks(source, diagnostics):
        first = source.text[chunk.start]
        if (
            failed
            and first in " \t"
            and not _STARTS_STATEMENT.match(source.text[chunk.start : chunk.end].strip())
        ):
            continue  # an indented line belongs to what couldn't be read
        statement = _parse_chunk(source, chunk, diagnostics) if chunk.sound else None
        failed = statement is None
        if failed:
            words = _WORD.findall(source.text[chunk.start : chunk.end])
            unread.append((words[0] if words else "", words[1] if len(words) > 1 else ""))
        if isinstance(statement, (syntax.Network, syntax.Block)):
            statement = statement._replace(documentation=chunk.documentation)
        if statement is not None:
            statements.append(statement)
    return syntax.Program(tuple(statements), tuple(unread))


def parse_values(source: Source, diagnostics: Diagnostics) -> tuple[syntax.Expr, ...]:
    """The value of a command-line option: one or more expressions, with commas between."""
    try:
        values: tuple[syntax.Expr, ...] = TreeBuilder(source).transform(
            _parser().parse(source.text, "values")
        )
        return values
    except UnexpectedInput:
        span = Span(source, 0, len(source.text))
        help = "write a number, a word, or a call as `sgd(lr=0.1)`"
        diagnostics.error("NET101", f"`{source.text}` is not a value", span, help=help)
        return ()


class _Chunk(NamedTuple):
    """A statement's text; the newlines in `joined` are read as blanks."""

    start: int
    end: int
    sound: bool
    documentation: str
    joined: tuple[int, int] = (0, 0)


def _chunks(source: Source, diagnostics: Diagnostics) -> Iterator[_Chunk]:
    """Cuts the text at newlines outside brackets; keeps the comment lines directly above."""
    text = source.text
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
            end, sound, joined = _statement_end(source, position, diagnostics)
            yield _Chunk(position, end, sound, "\n".join(comments), joined)
            comments.clear()
            position = end + 1


def _statement_end(source: Source, start: int, diagnostics: Diagnostics) -> tuple[int, bool, tuple[int, int]]:
    """Where the statement ends, whether its brackets are sound, and newlines to read over."""
    text = source.text
    joined = (0, 0)
    open_brackets: list[int] = []
    for match in _INTERESTING.finditer(text, start):
        char, place = match.group(), match.start()
        if char.startswith('"') and (len(char) == 1 or not char.endswith('"')):
            span = Span(source, place, match.end())
            diagnostics.error("NET101", "the text has no end", span, help='add `"`')
            return _next_statement(text, place), False, joined
        if char in _CLOSING:
            open_brackets.append(place)
            if len(open_brackets) > MAX_DEPTH:
                span = Span(source, place, place + 1)
                diagnostics.error("NET104", f"brackets are nested more than {MAX_DEPTH} deep", span)
                return _next_statement(text, place), False, joined
        elif char in ("}", ")", "]"):
            if open_brackets and _CLOSING[text[open_brackets[-1]]] == char:
                open_brackets.pop()
            else:
                _mismatched(source, open_brackets, place, diagnostics)
                return _next_statement(text, place), False, joined
        elif char == "\n":
            if not open_brackets and not _CONTINUES.match(text, place + 1):
                brace = _STRAY_BRACE.match(text, place + 1)
                if not brace or "{" in text[start:place] or not _TAKES_BODY.match(text, start):
                    return place, True, joined
                joined = (place, brace.end() - 1)
                span = Span(source, brace.end() - 1, brace.end())
                help = "put it at the end of the line before"
                diagnostics.error("NET101", "`{` must stand on the line of its statement", span, help=help)
            # A statement's word at the start of a line, inside brackets: the bracket was forgotten.
            if (
                open_brackets
                and _STARTS_STATEMENT.match(text, place + 1)
                and not _in_table(text, open_brackets, place)
            ):
                _unclosed(source, open_brackets[-1], None, diagnostics)
                return place, False, joined
    if open_brackets:
        _unclosed(source, open_brackets[-1], None, diagnostics)
    return len(text), not open_brackets, joined


def _mismatched(source: Source, open_brackets: list[int], place: int, diagnostics: Diagnostics) -> None:
    """A closing bracket that doesn't close the last one opened: it is too many, or that one wasn't closed."""
    char, span = source.text[place], Span(source, place, place + 1)
    if any(_CLOSING[source.text[opened]] == char for opened in open_brackets):
        _unclosed(source, open_brackets[-1], span, diagnostics)
    else:
        diagnostics.error("NET102", f"`{char}` closes nothing", span, help="remove it")


def _in_table(text: str, open_brackets: list[int], place: int) -> bool:
    """A transition `layers { … }` may stand at the start of a line of a table."""
    return text.startswith("layers", place + 1) and len(open_brackets) == 1


def _next_statement(text: str, place: int) -> int:
    """The end of the line before the next one that starts a statement."""
    while (place := text.find("\n", place)) >= 0:
        if _STARTS_STATEMENT.match(text, place + 1):
            return place
        place += 1
    return len(text)


def _unclosed(source: Source, place: int, found: Span | None, diagnostics: Diagnostics) -> None:
    opened = source.text[place]
    closing = _CLOSING[opened]
    also = [Label(found, f"this stands where `{closing}` is missing")] if found else []
    span = Span(source, place, place + 1)
    diagnostics.error(
        "NET102", f"`{opened}` is not closed", span, "opened here", also=also, help=f"add `{closing}`"
    )


def _parse_chunk(source: Source, chunk: _Chunk, diagnostics: Diagnostics) -> Any:
    text = source.text[chunk.start : chunk.end]
    start, end = (max(0, place - chunk.start) for place in chunk.joined)
    text = text[:start] + " " * (end - start) + text[end:]
    try:
        return TreeBuilder(source, chunk.start).transform(_parser().parse(text, "statement"))
    except UnexpectedInput as error:
        explain(source, chunk.start, chunk.end, error, diagnostics)
        return None
