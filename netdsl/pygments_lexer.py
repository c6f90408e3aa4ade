"""A Pygments lexer for `.net` files, for Sphinx, MkDocs, and code blocks of pandoc and rich.

Pygments finds it by its entry point, as `netdsl` or `net`, and by the file name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pygments.lexer import Lexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from netdsl.language.words import (
    CONDITIONAL_WORDS,
    FUNCTIONS,
    JOINS,
    LITERALS,
    OPERATOR_WORDS,
    STAGE_NAMES,
    STATEMENTS,
)
from netdsl.ops import OPERATIONS
from netdsl.syntax.tokens import Token, starts_line, tokenize

_KINDS = {
    "COMMENT": Comment.Single,
    "_NL": Whitespace,
    "STRING": String,
    "SIZE": Number.Size,
    "NUMBER": Number,
    "OTHER": Error,
    **dict.fromkeys(("COMPARISON", "PLUS", "MINUS", "TIMES", "FLOOR", "DIVIDE", "MODULO", "EQUAL"), Operator),
    **dict.fromkeys(("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE"), Punctuation),
    **dict.fromkeys(("VBAR", "COLON", "_COMMA"), Punctuation),
}
_WORDS = {
    **dict.fromkeys((*OPERATIONS, *FUNCTIONS, "unit"), Name.Builtin),
    **dict.fromkeys(("in", *STAGE_NAMES), Name.Builtin.Pseudo),
    **dict.fromkeys(LITERALS, Keyword.Constant),
    **dict.fromkeys(OPERATOR_WORDS, Operator.Word),
    **dict.fromkeys(CONDITIONAL_WORDS, Keyword),
}
_DEFINED = {
    "network": Name.Class,
    **dict.fromkeys(("block", "stages"), Name.Function),
    **dict.fromkeys(("let", "save", "from", "each", "as"), Name.Variable),
}
# The statements whose lines are a key and its values.
_KEYED = ("train", "init")


class NetLexer(Lexer):  # type: ignore[misc]  # Pygments has no types
    """The language of `.net` files. Words that are also names are keywords only where they act as such."""

    name = "netdsl"
    aliases: ClassVar[list[str]] = ["netdsl", "net"]
    filenames: ClassVar[list[str]] = ["*.net"]
    mimetypes: ClassVar[list[str]] = ["text/x-netdsl"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """The place, the type and the text of each token, and of the blanks between them."""
        found = tokenize(text)
        place, keyed, depth = 0, False, 0
        for index, token in enumerate(found):
            if place < token.start:
                yield place, Whitespace, text[place : token.start]
            if token.kind == "NAME":
                begins = token.text in STATEMENTS and not (keyed and depth) and starts_line(found, index)
                keyed = token.text in _KEYED if begins else keyed
                kind = Keyword if begins else _word(found, index, keyed=keyed, entry=keyed and depth == 1)
            else:
                kind = _KINDS[token.kind]
                depth += (token.text == "{") - (token.text == "}")
                keyed = keyed and (depth > 0 or token.text not in "}\n")
            yield token.start, kind, token.text
            place = token.end
        if place < len(text):
            yield place, Whitespace, text[place:]


def _word(found: Sequence[Token], index: int, *, keyed: bool, entry: bool) -> Any:
    """The type of a word by the tokens around it; `entry`: the first word of its line is a key."""
    word = found[index].text
    before, after = (found[n] if 0 <= n < len(found) else found[index] for n in (index - 1, index + 1))
    if entry and before.kind == "_NL":
        return Name.Attribute
    if not keyed:
        if before.text in _DEFINED and (before.text not in STATEMENTS or starts_line(found, index - 1)):
            return _DEFINED[before.text]
        if _is_of_each(found, index):
            return Name.Variable
        if _is_keyword(found, index):
            return Keyword
        if after.kind == "COLON":
            return Name.Label
    if after.kind == "EQUAL":
        return Name.Attribute
    if word == "same" and before.text == "if":
        return Keyword
    if word in _WORDS:
        return _WORDS[word]
    return Name.Function if "CALLED" in found[index].kinds else Name


def _is_of_each(found: Sequence[Token], index: int) -> bool:
    """True for a further name of an `each`."""
    while index > 1 and found[index - 1].kind == "_COMMA" and found[index].kind == "NAME":
        index -= 2
        if index and found[index - 1].text == "each":
            return True
    return False


def _is_keyword(found: Sequence[Token], index: int) -> bool:
    """True if a word acts as the first or a further word of a step."""
    token, after = found[index], next(iter(found[index + 1 : index + 2]), None)
    if after is None:
        return False
    if token.text in (*JOINS, "layers", "shortcut"):
        return after.text == "{"
    match token.text:
        case "let" | "save" | "from" | "each" | "as" | "default":
            return after.kind == "NAME"
        case "skip":
            return after.text in ("if", "(", "{")
        case "repeat" | "when" if after.start > token.end:
            rest = (token.text for token in found[index + 1 :])
            return next((text for text in rest if text in "{\n|}"), "") == "{"
    return False
