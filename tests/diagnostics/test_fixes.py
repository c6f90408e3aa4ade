"""Fixes: what each kind of edit makes of a text, and how its title describes it."""

from __future__ import annotations

import pytest

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Diagnostic, Edit, Label, add, add_line, remove, write
from netdsl.diagnostics.fixes import edited
from netdsl.diagnostics.render_json import json_record


def span(text: str, marked: str, name: str = "a.net") -> Span:
    start = text.index(marked)
    return Span(Source(name, text), start, start + len(marked))


def test_write_replaces_a_span() -> None:
    text = "stem { cnov(16, 3) }\n"
    fix = write(span(text, "cnov"), "conv", ", the operation")
    assert fix.title == "write `conv`, the operation"
    assert edited(text, fix.edits) == "stem { conv(16, 3) }\n"


def test_add_inserts_behind_a_span() -> None:
    text = "head { pool(kernel) }\n"
    fix = add(span(text, "kernel"), ", 3")
    assert (fix.title, edited(text, fix.edits)) == ("add `3`", "head { pool(kernel, 3) }\n")


@pytest.mark.parametrize(
    ("text", "before", "result"),
    [
        ("a {\n  bc\n}\n", False, "a {\n  bc\n  new\n}\n"),
        ("a {\n  bc\n}\n", True, "a {\n  new\n  bc\n}\n"),
        ("x\nbc", False, "x\nbc\nnew"),
        ("bc", True, "new\nbc"),
    ],
)
def test_a_line_is_added_at_the_indentation_of_its_place(text: str, before: bool, result: str) -> None:
    assert edited(text, add_line(span(text, "bc"), "new", before=before).edits) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("f(XX)", "f"),
        ("f(a, XX)", "f(a)"),
        ("f(XX, b)", "f(b)"),
        ("f(a, XX, b)", "f(a, b)"),
        ("{\n  a,\n  XX\n}\n", "{\n  a,\n}\n"),
        ("{\n  XX  # why\n  b\n}\n", "{\n  b\n}\n"),
        ("{\n  XX,\n  b\n}\n", "{\n  b\n}\n"),
        ("a\nXX", "a\n"),
        ("{ XX\n}", "{ \n}"),
    ],
)
def test_what_is_removed_leaves_no_comma_and_no_empty_line(text: str, result: str) -> None:
    assert edited(text, remove(span(text, "XX")).edits) == result


def test_edits_apply_in_any_order() -> None:
    text = "one two three"
    edits = (Edit(span(text, "one"), "1"), Edit(span(text, "three"), "3"), Edit(span(text, "two"), "2"))
    assert edited(text, edits) == "1 2 3"


def test_the_help_is_made_from_the_fixes() -> None:
    place = span("x", "x")
    found = Diagnostic("NET201", "wrong", (Label(place),), help=(write(place, "y"), "choose a name"))
    assert found.help_text == "write `y`, or choose a name"
    assert [fix.title for fix in found.fixes] == ["write `y`"]


def test_a_value_of_the_command_line_is_not_edited() -> None:
    found = Diagnostic("NET201", "wrong", help=write(span("x", "x", "--set depth"), "y"))
    assert found.help_text == "write `--set depth=y`" and found.fixes == ()


def test_json_has_the_edits() -> None:
    text = "a\nbcd e\n"
    found = Diagnostic("NET201", "wrong", (Label(span(text, "bcd")),), help=write(span(text, "cd"), "x"))
    assert json_record(found)["fixes"] == [
        {
            "title": "write `x`",
            "safe": True,
            "edits": [
                {"file": "a.net", "line": 2, "column": 2, "end_line": 2, "end_column": 4, "new_text": "x"}
            ],
        }
    ]
