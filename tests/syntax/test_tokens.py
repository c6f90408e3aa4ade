"""The tokens of a text: nothing is lost, it is read once, and the terminals are those of the grammar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.base.resources import GRAMMAR
from netdsl.base.source import Source
from netdsl.language.words import RESERVED
from netdsl.syntax.tokens import significant, tokenize, tokens


@given(st.text() | st.text('ab1.xe+-"#\n\t {}()[]|,=*/é'))
def test_only_blanks_are_between_tokens(text: str) -> None:
    place = 0
    for token in tokenize(text):
        assert token.text == text[token.start : token.end]
        assert not text[place : token.start].strip(" \t\r\f")
        place = token.end
    assert not text[place:].strip(" \t\r\f")


def test_a_text_is_read_once() -> None:
    source = Source("n", "stem { relu }")
    assert tokens(source) is tokens(source)


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("3x32x32 1e-3 300k 0.5", "SIZE NUMBER NUMBER NUMBER"),
        ("2. 1.5f .5 1x 3x3x", "OTHER OTHER OTHER OTHER OTHER"),
        ("a == b // c ** d", "NAME COMPARISON NAME FLOOR NAME OTHER NAME"),
        ('"a b" "open', "STRING OTHER"),
        ("x # {", "NAME COMMENT"),
    ],
)
def test_kinds(text: str, kinds: str) -> None:
    assert " ".join(token.kind for token in tokenize(text)) == kinds


def test_what_a_word_can_be_depends_on_the_bracket_behind_it() -> None:
    assert [token.kinds for token in tokenize("add add( not(")] == [
        ("JOIN", "ADD", "NAME"),
        ("JOIN", "CALLED", "ADD", "NAME"),
        ("LPAR",),
        ("NOT", "NAME"),
        ("LPAR",),
    ]


def test_newlines_that_mean_nothing_are_dropped() -> None:
    text = "a {\n # c\n\n f(1,\n 2)\n}\nelse {\n}"
    assert [token.kind for token in significant(tokenize(text))].count("_NL") == 3


def test_every_keyword_of_the_grammar_is_a_word_of_the_language() -> None:
    keywords = set(re.findall(r'"([a-z]+)"', GRAMMAR.read_text()))
    assert keywords <= {*RESERVED, "same", "in"}
    assert all(len(token.kinds) > 1 for word in keywords for token in tokenize(word))
