"""The tokens of a text: the terminals of the grammar, with all comments and newlines.

Only blanks stand between them, so that the text is the tokens and the gaps. Every reader of source text
(parser, `fmt`, completion, the Pygments lexer, messages) reads these tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Source
from netdsl.language.words import (
    CONDITIONAL_WORDS,
    CONTINUATIONS,
    JOINS,
    OPERATOR_WORDS,
    RESERVED,
    SECTIONS,
    STEPS,
)

CLOSING = {"{": "}", "(": ")", "[": "]"}
OPENING = {closing: opening for opening, closing in CLOSING.items()}

# An unfinished string and a malformed number are OTHER.
_TOKEN = re.compile(
    r"""(?P<COMMENT>\#[^\n]*)
      | (?P<_NL>\n)
      | (?P<STRING>"[^"\n]*")
      | (?P<SIZE>[0-9]+(?:x[0-9]+)+(?![\w.]))
      | (?P<NUMBER>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[kM]?(?![\w.]))
      | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<OTHER>"[^"\n]*|\.?[0-9][\w.]*(?:(?<=[0-9.][eE])[-+][0-9]\w*)?|\.[A-Za-z_]\w*|\*\*|&&|'[^'\n]*')
      | (?P<sign>//|[=!<>]=|[^ \t\r\f])
    """,
    re.VERBOSE,
)
# Lark's names of the signs of the grammar.
_SIGN_NAMES = {
    **dict.fromkeys(("==", "!=", "<=", ">=", "<", ">"), "COMPARISON"),
    "+": "PLUS",
    "-": "MINUS",
    "*": "TIMES",
    "//": "FLOOR",
    "%": "MODULO",
    "/": "DIVIDE",
    "=": "EQUAL",
    ":": "COLON",
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    "{": "LBRACE",
    "}": "RBRACE",
    "|": "VBAR",
    ",": "_COMMA",
}
_SIGNS = {sign: (name,) for sign, name in _SIGN_NAMES.items()}
# Words that no call can start with: `not(x)`.
_NEVER_CALLED = {*STEPS, *CONTINUATIONS, *CONDITIONAL_WORDS, *OPERATOR_WORDS, "as"} - {*JOINS, "default"}


class Token(NamedTuple):
    """`kinds` are the terminals that it can be, the most specific first; the grammar decides."""

    kinds: tuple[str, ...]
    text: str
    start: int
    end: int

    @property
    def kind(self) -> str:
        """The terminal that it is by itself: a word is a `NAME`."""
        return self.kinds[-1]


def _word_kinds(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The terminals that a word of the language can be; the second where a `(` follows directly."""
    special = ("SECTION",) if word in SECTIONS else ("JOIN",) if word in JOINS else ()
    keyword = {"yes": "TRUE", "no": "FALSE"}.get(word, word.upper())
    plain = (*special, keyword, "NAME")
    return plain, plain if word in _NEVER_CALLED else (*special, "CALLED", keyword, "NAME")


_WORDS = {word: _word_kinds(word) for word in (*RESERVED, "same", "in")}
_NAMES = (("NAME",), ("CALLED", "NAME"))
_OTHER = ("OTHER",)
_KINDS = {kind: (kind,) for kind in _TOKEN.groupindex}


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        kind, word, end = match.lastgroup, match.group(), match.end()
        if kind == "NAME":
            kinds = _WORDS.get(word, _NAMES)[text.startswith("(", end)]
        elif kind == "sign":
            kinds = _SIGNS.get(word, _OTHER)
        else:
            kinds = _KINDS[kind or "OTHER"]
        found.append(Token(kinds, word, match.start(), end))
    return found


def made(text: str, place: int) -> Token:
    """A token that isn't in the text."""
    return tokenize(text)[0]._replace(start=place, end=place)


def tokens(source: Source) -> list[Token]:
    """The tokens of a source, read once."""
    return source.derived(tokenize)


def significant(found: Iterable[Token]) -> Iterator[Token]:
    """The tokens that the grammar sees: no comments, a run of newlines as one, and none inside ( ) and [ ] or
    before the words that continue a statement.
    """
    newline: Token | None = None
    depth = 0
    for token in found:
        kind = token.kinds[-1]
        if kind == "COMMENT":
            continue
        if kind == "_NL":
            newline = newline or token
            continue
        if newline:
            if not depth and token.text not in ("else", "shortcut"):
                yield newline._replace(end=token.start)
            newline = None
        if kind in ("LPAR", "LSQB"):
            depth += 1
        elif kind in ("RPAR", "RSQB"):
            depth -= 1
        yield token


def starts_line(found: Sequence[Token], index: int) -> bool:
    """True if a token begins its line, without indentation."""
    before = found[index - 1] if index else None
    return found[index].start == (before.end if before and before.kind == "_NL" else 0)


def closing(source: Source, opening: int) -> int:
    """The offset of the bracket that closes the one at an offset; the end of the text if none does."""
    return source.derived(_closings).get(opening, len(source.text))


def _closings(text: str) -> dict[int, int]:
    """The offsets of the brackets that close others, of whatever kind."""
    opened: list[int] = []
    closed = {}
    for token in tokenize(text):
        if token.text in CLOSING:
            opened.append(token.start)
        elif token.text in OPENING and opened:
            closed[opened.pop()] = token.start
    return closed


def word_at(text: str, offset: int) -> tuple[int, int] | None:
    """The start and end of the name around an offset, or directly before it; None where there is none."""
    start = end = offset
    while start and _is_letter(text[start - 1]):
        start -= 1
    while end < len(text) and _is_letter(text[end]):
        end += 1
    return (start, end) if start < end and not text[start].isdigit() else None


def _is_letter(char: str) -> bool:
    return char.isalnum() or char == "_"
