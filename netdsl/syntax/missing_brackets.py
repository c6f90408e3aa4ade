"""Finds missing closing brackets by the indentation of lines."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source
from netdsl.ops import OPERATIONS
from netdsl.syntax.tokens import CLOSING, OPENING, Token, starts_line, tokens

# The kinds of tokens that may end a complete line; others continue on the next one.
_WHOLE = ("NAME", "NUMBER", "SIZE", "STRING", "RPAR", "RSQB", "RBRACE")
# The first words of lines that are not in a body.
_STATEMENTS = (
    "network",
    "variant",
    "input",
    "classes",
    "order",
    "stem",
    "head",
    "stage",
    "stages",
    "block",
    "train",
    "expect",
)


class MissingBracket(NamedTuple):
    """The index of a bracket that isn't closed, and of the last token that it should enclose."""

    opened: int
    last: int


class _Open(NamedTuple):
    place: int
    # The indentation of its line.
    indent: int


def missing_bracket(source: Source, start: int) -> MissingBracket | None:
    """The bracket of the statement at a token that lacks the other one where the lines say that it ends; None
    where they don't say it.
    """
    missing = _by_lines(source, start)
    return missing and (_group_with_comma(tokens(source), missing) or missing)


def _group_with_comma(found: Sequence[Token], missing: MissingBracket) -> MissingBracket | None:
    """The first group of an expression inside of a bracket that has a comma: it should end before it, as in
    `conv(8 * (i + 1, 3)`.
    """
    opened: list[int] = []
    for index in range(missing.opened + 1, missing.last):
        text = found[index].text
        if text in CLOSING:
            opened.append(index)
        elif text in OPENING and opened:
            opened.pop()
        elif text == "," and opened and found[opened[-1]].text == "(":
            before = found[opened[-1] - 1]
            if before.kind != "NAME" or before.end < found[opened[-1]].start:
                return MissingBracket(opened[-1], index - 1)
    return None


def _by_lines(source: Source, start: int) -> MissingBracket | None:
    found = tokens(source)
    opened: list[_Open] = []
    indent = 0
    # The brackets whose body is indented.
    deeper: set[int] = set()
    for index in range(start, len(found)):
        token = found[index]
        if index > start and found[index - 1].kind == "_NL" and token.kind not in ("_NL", "COMMENT"):
            last = last_before(found, index)
            if not opened:
                return None
            indent = len(source.text[found[index - 1].end : token.start].expandtabs())
            innermost = opened[-1]
            closes, leaves = token.text in OPENING, token.text in _STATEMENTS and starts_line(found, index)
            if found[innermost.place].text != "{":
                if leaves or (not closes and found[last].kind in _WHOLE):
                    return MissingBracket(innermost.place, _inside(found, innermost.place, last))
            elif indent > innermost.indent:
                deeper.add(innermost.place)
            elif indent < innermost.indent or not closes:
                inline = innermost.place < last and all(
                    t.kind != "_NL" for t in found[innermost.place : last]
                )
                if innermost.place in deeper or inline or leaves:
                    return MissingBracket(innermost.place, last)
        if token.text == "{" and opened and found[opened[-1].place].text != "{":  # never inside of the others
            return MissingBracket(opened[-1].place, last_before(found, index))
        if token.text in CLOSING:
            opened.append(_Open(index, indent))
        elif token.text in OPENING:
            if not opened:
                return None
            bracket = opened.pop().place
            if CLOSING[found[bracket].text] != token.text:
                return MissingBracket(bracket, _inside(found, bracket, last_before(found, index)))
    if opened and opened[-1].place in deeper:
        return MissingBracket(opened[-1].place, last_before(found, len(found)))
    return None


def _inside(found: Sequence[Token], opened: int, last: int) -> int:
    """The last token that a bracket was to enclose: lists have no names, `at=[1, 2, factor=0.1)`, and
    operations aren't given others, `conv(64, 3, relu }`.
    """
    called = opened > 0 and found[opened - 1].text in OPERATIONS
    for index in range(opened + 1, last):
        if found[index].text != ",":
            continue
        word, after = found[index + 1].text, found[index + 2].text if index + 2 < len(found) else ""
        if after == "=" if found[opened].text == "[" else called and word in OPERATIONS:
            return index - 1
    return last


def last_before(found: Sequence[Token], index: int) -> int:
    """The last token before another that is no newline and no comment."""
    index -= 1
    while index and found[index].kind in ("_NL", "COMMENT"):
        index -= 1
    return index
