"""The parts of the server that need no process: places, words, contexts."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.ir.resolved import Init, Quantity
from netdsl.language import words
from netdsl.language.expressions import FUNCTIONS
from netdsl.lsp import requests, vocabulary
from netdsl.lsp.documents import Document
from netdsl.lsp.positions import Lines, Shift
from netdsl.lsp.reading import read
from netdsl.ops import OPERATIONS
from netdsl.syntax.net_files import read_text, shipped
from tests.support.programs import run_program

TEXTS = st.text(st.sampled_from("ab é😀\t\r\n\x0c\u2028"), max_size=30)


@pytest.mark.parametrize(
    "documented, known",
    [
        (words.QUANTITIES, get_args(Quantity)),
        (words.FUNCTIONS, FUNCTIONS),
        (words.INIT_BASES, get_args(get_type_hints(Init)["base"])),
    ],
)
def test_every_word_of_the_language_is_documented(documented: dict[str, object], known: list[str]) -> None:
    assert set(documented) == set(known)


def test_the_usage_of_a_word_contains_the_word() -> None:
    for table in (words.STATEMENTS, words.STEPS, words.CONTINUATIONS, words.FUNCTIONS):
        assert all(keyword.usage.startswith(word) for word, keyword in table.items())


def test_every_operation_and_argument_is_documented() -> None:
    for name, operation in OPERATIONS.items():
        found = vocabulary.signature(name, operation)
        assert found.documentation
        assert all(argument.expected for argument in found.arguments)


@given(TEXTS, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.data())
def test_places_are_found_again(text: str, encoding: str, data: st.DataObject) -> None:
    lines = Lines(text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    found = lines.offset(*lines.position(offset))
    # Only between the two letters of a newline there is no place.
    assert found == offset or text[found : found + 2] == "\r\n"


@given(TEXTS, TEXTS)
def test_places_of_an_older_text_hold_the_same_letters(old: str, new: str) -> None:
    shift = Shift.between(old, new)
    for offset in range(len(new)):
        if offset < shift.prefix or offset >= shift.new_end:
            place = shift.to_old(offset)
            assert place is not None and old[place] == new[offset]
            assert shift.to_new(place, place + 1) == (offset, offset + 1)


@pytest.mark.parametrize("name", ["resnet32", "mobilenet_v3_small", "densenet_bc", "googlenet"])
def test_every_place_of_a_mutated_network_has_answers(name: str) -> None:
    path = shipped()[name]
    text = path.read_text(encoding="utf-8")
    document = Document("untitled:1", path.as_posix(), text)
    document.take(read(document.path, text, read_text))
    chosen = random.Random(name)
    for _ in range(10):
        start = chosen.randrange(len(text))
        end = start + chosen.randrange(30)
        document.text = (
            text[:start] + chosen.choice(["", "(", "{", "}", '"', "|", "let ", "é", "("]) + text[end:]
        )
        document.take(read(document.path, document.text, read_text))
        for offset in range(0, len(document.text) + 1, 5):
            requests.hover(document, offset)
            requests.completion(document, offset, tuple)
            requests.definition(document, offset)
            requests.references(document, offset)
            requests.signature_help(document, offset)
        assert requests.symbols(document) is not None


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "networks").rglob("*.net")), ids=lambda p: p.stem
)
def test_every_step_of_the_shipped_networks_has_a_hover(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = Document("untitled:1", path.as_posix(), text)
    document.take(read(document.path, text, read_text))
    document.current.set()
    reading = document.latest
    assert reading is not None
    for symbol in reading.names.definitions:
        if symbol.span.source.name == document.path:
            found = requests.hover(document, symbol.span.start)
            assert found is not None and symbol.name in found[0]
            assert text[found[1] : found[2]] == symbol.name


def test_without_the_extra_the_command_says_which_to_install() -> None:
    script = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pygls' else find(name, *rest)\n"
        "from netdsl.cli import main\nmain(['lsp'])\n"
    )
    done = run_program([sys.executable, "-c", script])
    assert done.returncode == 1
    assert "pip install 'netdsl[lsp]'" in done.stderr
