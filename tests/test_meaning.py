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
