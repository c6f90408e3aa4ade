"""Tokens and brackets of source text, for code that reads text which may not parse."""

from __future__ import annotations

import re

# Matches every character of a text. A string may be unfinished; `lastgroup` is the kind of a token.
TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<newline>\n)
      | (?P<blank>[^\S\n]+)
      | (?P<string>"[^"\n]*"?)
      | (?P<word>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\w* | \w+)
      | (?P<open>[({\[])
      | (?P<close>[)}\]])
      | (?P<sign>//|[=!<>]=|.)
    """,
    re.VERBOSE,
)
# Brackets and newlines, and what hides them: strings and comments.
BRACKETS = re.compile(r'"[^"\n]*"?|#[^\n]*|[{}()\[\]\n]')
CLOSING = {"{": "}", "(": ")", "[": "]"}
OPENING = {closing: opening for opening, closing in CLOSING.items()}


def closing(text: str, opening: int) -> int:
    """The offset of the bracket that closes the one at an offset; the end of the text if none does."""
    depth = 0
    for match in BRACKETS.finditer(text, opening):
        depth += (match[0] in CLOSING) - (match[0] in OPENING)
        if depth == 0:
            return match.start()
    return len(text)


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
