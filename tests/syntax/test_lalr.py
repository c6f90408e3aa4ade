"""The parser accepts what Lark's own accepts with the same grammar and tokens, and stops at the same one."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from lark import Lark, UnexpectedToken
from lark import Token as LarkToken
from lark.lexer import Lexer

from netdsl.base.resources import GRAMMAR
from netdsl.base.source import Source
from netdsl.syntax import lalr
from netdsl.syntax.net_files import shipped
from netdsl.syntax.tokens import significant, tokenize

# They replace a token, or stand before it.
PIECES = [
    "x",
    "3",
    "2x3",
    "conv(",
    ")",
    "{",
    "}",
    "(",
    ",",
    "=",
    "==",
    "+",
    "-",
    "if",
    "same",
    "skip",
    "when",
]


class OwnTokens(Lexer):
    """Our tokens for Lark's parser: of the terminals that a token can be, the first that fits."""

    __future_interface__ = 1

    def __init__(self, configuration: object) -> None: ...

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[LarkToken]:
        states = parser_state.parse_conf.parse_table.states
        for token in significant(tokenize(str(lexer_state.text.text))):
            fits = states[parser_state.position]
            kind = next((kind for kind in token.kinds if kind in fits), token.kind)
            yield LarkToken(kind, token.text, start_pos=token.start)


@cache
def lark() -> Lark:
    return Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer=OwnTokens, start="statement")


def statements(name: str) -> list[str]:
    """The statements of a shipped network: a line that begins at the margin begins one."""
    text = re.sub(r"^#.*\n", "", shipped()[name].read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [part.strip() for part in re.split(r"\n(?=[a-z])", text) if part.strip()]


def stop_of_lark(text: str) -> int | None:
    try:
        lark().parse(text)
    except UnexpectedToken as error:
        return len(text) if error.token.type == "$END" else error.token.start_pos
    return None


def stop_of_ours(text: str) -> int | None:
    try:
        lalr.parse(significant(tokenize(text)), "statement", Source("test.net", text))
    except lalr.SyntaxFault as fault:
        return fault.token.start if fault.token else len(text)
    return None


@pytest.mark.parametrize("name", shipped())
def test_the_same_language_as_lark(name: str) -> None:
    chance = random.Random(name)
    for statement in statements(name):
        assert stop_of_ours(statement) is None
        assert stop_of_lark(statement) is None
        found = [token for token in tokenize(statement) if token.kind not in ("_NL", "COMMENT")]
        for _ in range(10):
            token = chance.choice(found)
            changed = chance.choice(["", *PIECES])
            end = chance.choice([token.start, token.end])
            text = f"{statement[: token.start]} {changed} {statement[end:]}"
            assert stop_of_ours(text) == stop_of_lark(text), text
