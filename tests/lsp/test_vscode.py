"""The extension for VS Code: its files are valid, and its grammar is current."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from editors import textmate
from tests.support.programs import run_program

EXTENSION = Path(__file__).parents[2] / "editors" / "vscode"
GRAMMAR = textmate.grammar()
RULES_OF_GRAMMAR = GRAMMAR["repository"]


def test_the_grammar_is_current() -> None:
    assert textmate.GRAMMAR.read_text(encoding="utf-8") == textmate.text(), "run `python -m editors.textmate`"


def parts(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str):
                yield key, value
            else:
                yield from parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from parts(value)


def test_the_grammar_is_sound() -> None:
    for key, value in parts(GRAMMAR):
        if key in ("match", "begin", "end"):
            re.compile(value)
        elif key == "include":
            assert value.removeprefix("#") in RULES_OF_GRAMMAR


@pytest.mark.parametrize(
    "rule, text",
    [
        ("size", "3x32x32"),
        ("number", "1.7M"),
        ("number", "1e-4"),
        ("text", '"a text"'),
        ("comment", "# to the end of the line"),
        ("call", "residual"),
        ("definition", "block residual"),
    ],
)
def test_the_rules_match(rule: str, text: str) -> None:
    found = re.match(RULES_OF_GRAMMAR[rule]["match"], text + "(" if rule == "call" else text)
    assert found is not None and found.group() == text


def test_the_extension_names_its_files() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    (language,) = package["contributes"]["languages"]
    (grammar,) = package["contributes"]["grammars"]
    json.loads((EXTENSION / language["configuration"]).read_text(encoding="utf-8"))
    assert (EXTENSION / grammar["path"]).is_file() and (EXTENSION / package["icon"]).is_file()
    assert "esbuild extension.js --bundle" in package["scripts"]["bundle"]
    assert package["scripts"]["bundle"].endswith(f"--outfile={package['main'].removeprefix('./')}")
    assert grammar["scopeName"] == GRAMMAR["scopeName"] and grammar["language"] == language["id"]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_the_client_can_be_read() -> None:
    run_program(["node", "--check", EXTENSION / "extension.js"], check=True)
