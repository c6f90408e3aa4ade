"""The Pygments lexer: no text is lost or an error, and words have the token types of their roles."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pygments
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.formatters import HtmlFormatter
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Token

from netdsl.base.resources import NETWORKS, START
from netdsl.language.words import STATEMENTS
from netdsl.ops import OPERATIONS
from netdsl.pygments_lexer import NetLexer
from tests.test_docs import LIBRARIES, blocks

LEXER = NetLexer(stripnl=False, ensurenl=False)
TEXTS = [path.read_text(encoding="utf-8") for path in [START, *sorted(NETWORKS.rglob("*.net"))]]


def tokens(text: str) -> list[tuple[object, str]]:
    return [(kind, value) for kind, value in LEXER.get_tokens(text) if value.strip()]


def kind_of(word: str, text: str) -> object:
    (kind,) = {kind for kind, value in tokens(text) if value == word}
    return kind


@pytest.mark.parametrize("text", [*TEXTS, *(text for _, text in blocks("net")), *LIBRARIES.values()])
def test_all_text_has_a_colour(text: str) -> None:
    found = list(LEXER.get_tokens(text))
    assert "".join(value for _, value in found) == text
    assert not [value for kind, value in found if kind is Error]


@given(st.text())
def test_no_text_is_lost(text: str) -> None:
    text = text.replace("\r", "").removeprefix("\ufeff")
    assert "".join(value for _, value in LEXER.get_tokens(text)) == text


@pytest.mark.parametrize("statement", [keyword.usage for keyword in STATEMENTS.values()])
def test_statements_begin_with_a_keyword(statement: str) -> None:
    assert tokens(statement.replace("…", ""))[0][0] is Keyword


def test_operations_are_built_in() -> None:
    for operation in OPERATIONS:
        assert kind_of(operation, f"stem {{ {operation} }}\n") is Name.Builtin


def test_words_are_what_they_do() -> None:
    text = "block b(repeat, add=1) {\n  repeat 2 as i { add { | conv(in, 3) | b(repeat=i) } }\n  out: bn\n}\n"
    assert kind_of("block", text) is Keyword
    assert kind_of("b", text) is Name.Function
    assert [kind for kind, value in tokens(text) if value == "repeat"] == [Name, Keyword, Name.Attribute]
    assert [kind for kind, value in tokens(text) if value == "add"] == [Name.Attribute, Keyword]
    assert kind_of("out", text) is Name.Label
    assert kind_of("in", text) is Name.Builtin.Pseudo
    assert kind_of("n", "let n = 3\n") is Name.Variable
    assert kind_of("each", "head { each p2, p3 { relu } }\n") is Keyword
    assert kind_of("p2", "head { each p2, p3 { relu } }\n") is Name.Variable
    assert kind_of("p3", "head { each p2, p3 { relu } }\n") is Name.Variable
    assert kind_of("mine", "network mine(a=1)\n") is Name.Class


def test_values() -> None:
    for value in ("64", "0.5", "1e-3", "300k", "1.7M"):
        assert kind_of(value, f"let a = {value}\n") is Number
    assert kind_of("3x32x32", "input 3x32x32\n") is Number.Size
    assert kind_of('"a b"', 'use "a b"\n') is String
    assert kind_of("# so { it is", "classes 3 # so { it is\n") is Comment.Single
    assert kind_of("yes", "let a = yes\n") is Keyword.Constant
    assert kind_of("//", "let a = 3 // 2\n") is Operator


def test_keys_of_recipe_and_initialisation() -> None:
    text = "init pytorch\ntrain {\n  optimizer sgd(lr=0.1)\n  # a key\n  epochs 10\n}\nstem { relu }\n"
    assert [kind_of(word, text) for word in ("optimizer", "lr", "epochs")] == [Name.Attribute] * 3
    assert kind_of("stem", text) is Keyword


def test_pygments_finds_the_lexer_by_the_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["netdsl"].partition(":")
    assert getattr(importlib.import_module(module), name) is NetLexer
    assert {"netdsl", "net"} == set(NetLexer.aliases)
    assert NetLexer.filenames == ["*.net"]


def test_html_has_classes() -> None:
    html = pygments.highlight("stem { conv(3, 1x3) }\n", LEXER, HtmlFormatter())
    assert '<span class="k">stem</span>' in html
    assert '<span class="nb">conv</span>' in html
    assert Number.Size in Token.Literal.Number
