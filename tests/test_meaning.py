"""Errors of meaning: shapes, budgets and warnings. What each code's text shows is what the compiler says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netdsl.compiler import Compiled, compile_network
from netdsl.resources import ERRORS, NETWORKS
from netdsl.source import Source

CODES = sorted(path.stem for path in ERRORS.glob("NET[467]*.md"))


def compiled(text: str, **parameters: str) -> Compiled:
    return compile_network(Source("mine.net", text), parameters)


def codes(text: str) -> list[str]:
    return [found.code for found in compiled(text).diagnostics]


@pytest.mark.parametrize("code", CODES)
def test_text_of_a_code(code: str) -> None:
    text = (ERRORS / f"{code}.md").read_text(encoding="utf-8")
    wrong, right = re.findall(r"```net\n(.*?)```", text, re.DOTALL)
    assert codes(wrong) == [code]
    assert codes(right) == []


@pytest.mark.parametrize("path", sorted(NETWORKS.rglob("*.net")), ids=lambda path: path.stem)
def test_shipped_networks_have_no_warnings(path: Path) -> None:
    found = compile_network(Source(str(path), path.read_text(encoding="utf-8")))
    assert found.diagnostics == ()


FIXES = re.compile(r"write `([^`]+)` in place of `([^`]+)`")
CASES = Path(__file__).parent / "cases" / "diagnostics"


def cases_with_a_fix() -> list[Path]:
    found = (path for path in sorted(CASES.glob("*.txt")) if FIXES.search(path.read_text(encoding="utf-8")))
    return [path for path in found if not path.read_text(encoding="utf-8").startswith("===")]


@pytest.mark.parametrize("path", cases_with_a_fix(), ids=lambda path: path.stem)
def test_fix_applied_literally(path: Path) -> None:
    """What is written in place of what stands there leaves no error at that place."""
    source = path.read_text(encoding="utf-8").partition("=== output\n")[0]
    for error in compiled(source).errors:
        if fix := FIXES.fullmatch(error.help):
            places = [label.span.text for label in error.labels]
            assert fix[2] in source
            mended = compiled(source.replace(fix[2], fix[1])).errors
            assert error.message not in {other.message for other in mended}, places


@pytest.mark.parametrize("stem", ["skip_adds_two_shapes", "skip_widens_in_stage", "skip_of_vectors"])
def test_shortcut_applied_literally(stem: str) -> None:
    source = (CASES / f"{stem}.txt").read_text(encoding="utf-8").partition("=== output\n")[0]
    (error,) = compiled(source).errors
    written = re.match(r"add `(shortcut \{ .+? \})`", error.help)
    assert written
    start = source.index("{", source.index("skip {"))
    depth = [1 if char == "{" else -1 if char == "}" else 0 for char in source[start:]]
    end = start + next(n for n in range(len(depth)) if sum(depth[: n + 1]) == 0) + 1
    assert compiled(source[:end] + " " + written[1] + source[end:]).errors == ()
