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
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from netdsl import syntax, tables
from netdsl.diagnostics import Diagnostics, Label, nearest
from netdsl.source import Source, Span
from netdsl.tree import TreeBuilder

STATEMENTS = [
    "network",
    "input",
    "classes",
    "order",
    "default",
    "let",
    "stem",
    "head",
    "layers",
    "stage",
    "stages",
    "block",
    "init",
    "train",
    "expect",
    "use",
]

# Bounds, so that reading an unknown file has a bounded cost.
MAX_LENGTH = 1_000_000
MAX_DEPTH = 64

_CLOSING = {"{": "}", "(": ")", "[": "]"}
_INTERESTING = re.compile(r'"[^"\n]*"?|#[^\n]*|[{}()\[\]\n]')
_STARTS_STATEMENT = re.compile(rf"({'|'.join(STATEMENTS)})\b")
_CONTINUES = re.compile(r"(\s|#[^\n]*\n)*else\b")


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
        diagnostics.error("NET001", f"{source.name} is longer than {MAX_LENGTH:,} characters")
        return syntax.Program(())
    builder = TreeBuilder(source)
    statements = []
    for chunk in _chunks(source, diagnostics):
        statement = _parse_chunk(source, chunk, builder, diagnostics)
        if isinstance(statement, (syntax.Network, syntax.Block)):
            statement = statement._replace(documentation=chunk.documentation)
        if statement is not None:
            statements.append(statement)
    return syntax.Program(tuple(statements))


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
    start: int
    end: int
    documentation: str = ""


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
            end, sound = _statement_end(source, position, diagnostics)
            if sound:
                yield _Chunk(position, end, "\n".join(comments))
            comments.clear()
            position = end + 1


def _statement_end(source: Source, start: int, diagnostics: Diagnostics) -> tuple[int, bool]:
    """Where the statement ends, and whether its brackets are sound."""
    text = source.text
    open_brackets: list[int] = []
    for match in _INTERESTING.finditer(text, start):
        char, place = match.group(), match.start()
        if char in _CLOSING:
            open_brackets.append(place)
            if len(open_brackets) > MAX_DEPTH:
                span = Span(source, place, place + 1)
                diagnostics.error("NET104", f"brackets are nested more than {MAX_DEPTH} deep", span)
                return _next_statement(text, place), False
        elif char in ("}", ")", "]"):
            if open_brackets and _CLOSING[text[open_brackets[-1]]] == char:
                open_brackets.pop()
            elif open_brackets:
                _unclosed(source, open_brackets[-1], Span(source, place, place + 1), diagnostics)
                return _next_statement(text, place), False
        elif char == "\n":
            if not open_brackets and not _CONTINUES.match(text, place + 1):
                return place, True
            # A statement's word at the start of a line, inside brackets: the bracket was forgotten.
            if (
                open_brackets
                and _STARTS_STATEMENT.match(text, place + 1)
                and not _in_table(text, open_brackets, place)
            ):
                _unclosed(source, open_brackets[-1], None, diagnostics)
                return place, False
    if open_brackets:
        _unclosed(source, open_brackets[-1], None, diagnostics)
    return len(text), not open_brackets


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


def _parse_chunk(source: Source, chunk: _Chunk, builder: TreeBuilder, diagnostics: Diagnostics) -> Any:
    # Blanks in place of what stands before keep every offset right.
    text = " " * chunk.start + source.text[chunk.start : chunk.end]
    try:
        return builder.transform(_parser().parse(text, "statement"))
    except UnexpectedInput as error:
        _explain(source, chunk, error, diagnostics)
        return None


# What the grammar's terminals are called in a message.
_TERMINALS = {
    "NAME": "a name",
    "CALLED": "",
    "NUMBER": "a number",
    "SIZE": "a size as `3x32x32`",
    "STRING": "a text in quotes",
    "TRUE": "`yes`",
    "FALSE": "`no`",
    "COMPARISON": "a comparison",
    "_NL": "a new line",
    "_COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "VBAR": "`|`",
    "$END": "the end of the line",
    "IF_SAME": "`if same`",
}
# Where one of these could stand, so could any expression: the list would hide the point.
_EXPRESSION = {
    "NUMBER",
    "SIZE",
    "STRING",
    "TRUE",
    "FALSE",
    "LSQB",
    "NOT",
    "IF",
    "MINUS",
    "PLUS",
    "TIMES",
    "DIVIDE",
    "FLOOR",
    "OR",
    "AND",
    "COMPARISON",
}


def _explain(source: Source, chunk: _Chunk, error: UnexpectedInput, diagnostics: Diagnostics) -> None:
    start = error.pos_in_stream if error.pos_in_stream is not None else chunk.end
    expected: set[str] = set()
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        length = len(error.token) if error.token.type != "$END" else 0
        if error.token.type == "$END":
            start = chunk.end
    else:
        assert isinstance(error, UnexpectedCharacters)
        expected = set(error.allowed or ())
        match = re.compile(r"[A-Za-z0-9_.]+").match(source.text, start, chunk.end)
        length = match.end() - start if match else 1
    found = source.text[start : start + length]
    span = Span(source, start, start + length)
    if start == chunk.start:
        hint = nearest(found, STATEMENTS) or f"a statement starts with {', '.join(STATEMENTS)}"
        diagnostics.error("NET101", f"`{found}` does not start a statement", span, help=hint)
        return
    shown = "the end of the statement" if not found.strip() else f"`{found}`"
    diagnostics.error("NET101", f"unexpected {shown}", span, help=_expectation(expected))


def _expectation(expected: set[str]) -> str:
    words = ["a value"] if "NUMBER" in expected else []
    hidden = (
        _EXPRESSION | {"NAME", "CALLED"}
        if words
        else {"CALLED"} | (_EXPRESSION if "RPAR" in expected else set())
    )
    words += sorted(
        filter(None, (_TERMINALS.get(name, f"`{name.lower().strip('_')}`") for name in expected - hidden))
    )
    return "expected " + (
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
    )
