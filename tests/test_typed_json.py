"""JSON from anywhere becomes values of a type, or an error that names the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from netdsl.base.typed_json import Count, Text, parse, typed


@dataclass(frozen=True, slots=True)
class Tree:
    name: Text
    size: Count = 0
    share: float = 1.0
    kind: Literal["leaf", "branch"] = "leaf"
    inside: tuple[Tree, ...] = ()
    named: dict[str, bool] | None = None
    free: object = None


def test_values_of_all_types() -> None:
    value = {
        "name": "a",
        "size": 3,
        "share": 1,
        "kind": "branch",
        "inside": [{"name": "b", "later": 1}],
        "named": {"x": True},
        "free": [1, {}],
    }
    inner = Tree("b")
    assert typed(Tree, value) == Tree("a", 3, 1, "branch", (inner,), {"x": True}, [1, {}])
    assert typed(Tree, {"name": "a", "named": None}) == Tree("a")
    numbers: Any = list[int]
    assert typed(numbers, [1, 2]) == [1, 2]


@pytest.mark.parametrize(
    "value, message",
    [
        (3, "it is not an object"),
        ({}, "`name` is missing"),
        ({"name": 3}, "`name` is 3, not a text"),
        ({"name": "\udc80"}, "`name` is not Unicode text"),
        ({"name": "a", "size": -1}, "`size` is -1, not from 0 to 1e+15"),
        ({"name": "a", "size": True}, "`size` is true, not a whole number"),
        ({"name": "a", "size": 1.0}, "`size` is 1.0, not a whole number"),
        ({"name": "a", "share": "1"}, '`share` is "1", not a number'),
        ({"name": "a", "kind": "x"}, '`kind` is "x", not one of leaf, branch'),
        ({"name": "a", "inside": {}}, "`inside` is {}, not a list"),
        ({"name": "a", "inside": [{"name": "b"}, 4]}, "`inside[1]` is 4, not an object"),
        ({"name": "a", "inside": [{"name": "b", "inside": [{}]}]}, "`inside[0].inside[0].name` is missing"),
        ({"name": "a", "named": {"x": 0}}, "`named.x` is 0, not a boolean"),
        ({"name": "a", "named": "x" * 50}, "`named` is not an object"),
    ],
)
def test_errors_name_the_value(value: object, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        typed(Tree, value)
    assert str(raised.value) == message


def test_an_error_within_a_value_that_has_a_name() -> None:
    with pytest.raises(ValueError, match=r"^`run.inside\[0\]` is 1, not an object$"):
        typed(Tree, {"name": "a", "inside": [1]}, "run")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[" * 10**6, "nested too deeply"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ("NaN", "NaN is not a number of JSON"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "a number of 5000 digits is too large"),
        ("{", "it is not JSON"),
        (b"\xff", "it is not UTF-8 text"),
    ],
)
def test_texts_that_are_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)
