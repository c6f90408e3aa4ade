"""The examples and texts of `netdsl explain` and docs/errors.md are correct."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from docs import errors
from netdsl.cli import main
from netdsl.errors.error_docs import codes, diagnose, error_doc

# Shown when a network runs, not when it is compiled.
AT_RUNTIME = {"NET502", "NET503"}
COMPILED = [code for code in codes() if code not in AT_RUNTIME]


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("code", COMPILED)
def test_the_wrong_example_has_this_error_alone_and_the_right_one_none(code: str) -> None:
    """NET100, a file that can't be read, shows itself at a `use`. A small network may have warnings too."""
    text = error_doc(code)
    assert text.code == code
    wrong, right = diagnose(text.wrong), diagnose(text.right)
    errors = {found.code for found in wrong if found.severity == "error"}
    assert errors == (set() if text.family == "Warnings" else {code})
    assert code in {found.code for found in wrong}
    assert code not in {found.code for found in right}
    assert "error" not in {found.severity for found in right}


@pytest.mark.parametrize("code", COMPILED)
def test_a_text_is_short_and_whole(code: str) -> None:
    text = error_doc(code)
    assert not text.title.endswith(".")
    assert text.cause.endswith(".")
    assert 10 < len(text.cause.split()) < 120


@pytest.mark.parametrize("code", COMPILED)
def test_explain_shows_all_of_a_text(code: str) -> None:
    result = explain(code)
    assert result.exit_code == 0
    text = error_doc(code)
    assert result.output.startswith(f"{code}: {text.title}\n\n")
    assert " ".join(text.cause.split()) in " ".join(result.output.split())
    for example in (text.wrong, text.right):
        assert textwrap.indent(example.split("\n", 1)[1].split("\n```")[0], "    ") in result.output
    assert f"[{code}]: " in result.output
    assert "```" not in result.output


@pytest.mark.parametrize("spelt", ["NET401", "net401", "401"])
def test_a_code_is_found_however_it_is_written(spelt: str) -> None:
    assert explain(spelt).output.startswith("NET401: ")


def test_a_text_may_have_no_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.diagnostics.rules.ERRORS", tmp_path)
    (tmp_path / "NET502.md").write_text("# NET502: it failed\n\nWhile it ran.\n")
    assert explain("502").output == "NET502: it failed\n\nWhile it ran.\n"
    assert explain("generated-code").output == explain("502").output


def test_without_a_code_all_are_listed_by_family() -> None:
    lines = explain().output.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  NET")] == codes()
    assert lines[0] == "Syntax"
    assert lines.index("Shapes") == lines.index(f"  NET401  {error_doc('NET401').title} (skip-shapes)") - 1


def test_a_wrong_code_gets_the_nearest() -> None:
    result = explain("NET4O1")
    assert result.exit_code == 2
    assert "did you mean `NET401`?" in result.output
    assert "`netdsl explain` lists all" in explain("conv").output


def test_the_page_is_current() -> None:
    assert errors.PAGE.read_text(encoding="utf-8") == errors.page(), "run `python -m docs.errors`"
