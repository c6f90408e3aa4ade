"""The lists of words in docs/language.md are those of the language."""

from __future__ import annotations

import re
from dataclasses import MISSING
from pathlib import Path

import pytest

from netdsl.base.values import Symbol, show
from netdsl.language.argument_types import schema
from netdsl.language.expressions import constant
from netdsl.language.init_rules import RULES
from netdsl.language.recipe import CHOICES, KEYS
from netdsl.language.words import (
    CONTINUATIONS,
    FUNCTIONS,
    OPERATOR_WORDS,
    QUANTITIES,
    STATEMENTS,
    STEPS,
)
from netdsl.ops import OPERATIONS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "language.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """The text of a section, without the sections inside of it."""
    return re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table in a section, without its heading."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def words(texts: list[str]) -> set[str]:
    """The first word of each text."""
    return {match[0] for text in texts if (match := re.match(r"[a-z_0-9]+", text))}


def test_statements() -> None:
    assert words([text for row in rows("Statements") for text in code(row[0])]) == {*STATEMENTS}


def test_steps() -> None:
    shown = {word for row in rows("Steps") for text in code(row[0]) for word in re.findall(r"[a-z_]+", text)}
    assert {*STEPS, *CONTINUATIONS, "unit"} - shown == {"default"}  # with the statements


def test_functions_and_operators() -> None:
    lists = [set(text.split()) for text in code(section("Expressions"))]
    assert {*FUNCTIONS} in lists and {*OPERATOR_WORDS} in lists


def signature(operation: str) -> str:
    """`conv(out, kernel, stride=1, …)`, with numbers as the page has them."""
    arguments = [
        f.name if f.default is MISSING else f"{f.name}={shown(f.default)}"
        for f in schema(OPERATIONS[operation])
        if f.name != "freeze"
    ]
    return f"{operation}({', '.join(arguments)})" if arguments else operation


def shown(default: object) -> str:
    if isinstance(default, float) and 0 < default < 1e-3:
        return f"{default:.0e}".replace("e-0", "e-")
    value = constant(default).value
    return value.name if isinstance(value, Symbol) else show(value)


def test_operations() -> None:
    listed = [text for row in rows("Operations") for text in code(row[0])]
    assert sorted(listed) == sorted(map(signature, OPERATIONS))


def test_rules_of_initialisation() -> None:
    listed = section("Initialisation").partition("`torch.nn.init`:")[2]
    assert words(code(listed.partition("All have")[0])) == {*RULES}


def test_expectations() -> None:
    assert [code(row[0])[0] for row in rows("Expectations")] == [*QUANTITIES]


def test_keys_of_the_recipe() -> None:
    assert {key for row in rows("The recipe") for key in code(row[0])} == {*KEYS}


@pytest.mark.parametrize("key", CHOICES)
def test_choices_of_the_recipe(key: str) -> None:
    (row,) = (row for row in rows("The recipe") if key in code(row[0]))
    assert words(code(row[1])) - {"none", "decay_norms"} == {*CHOICES[key]} - {"none"}


@pytest.mark.parametrize(("key", "choice"), [(key, word) for key in CHOICES for word in CHOICES[key]])
def test_arguments_of_the_recipe(key: str, choice: str) -> None:
    (row,) = (row for row in rows("The recipe") if key in code(row[0]))
    (listed,) = (text for text in code(row[1]) if re.fullmatch(rf"{choice}(\(.*\))?", text))
    arguments = {f.name for f in schema(CHOICES[key][choice])} - {"decay_norms"}
    if choice != "folder":  # its path has no name
        assert {*re.findall(r"[a-z_]+", listed.partition("(")[2])} == arguments
