"""The cases in tests/cases: a source, `=== output`, and what must come out, byte for byte.

Lines `=== style: functional` and `=== set: depth=20` may stand first. `pytest --update-cases` rewrites
what comes out; read the difference before committing it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from netdsl.base.resources import ERRORS
from netdsl.base.source import Source
from netdsl.compiler import Style, compile_network, generate
from netdsl.diagnostics import Diagnostics
from netdsl.diagnostics.render_text import render
from netdsl.format import formatted
from netdsl.syntax.parser import parse
from tests.support.outline import outline

CASES = Path(__file__).parent / "cases"
# Of a network that runs, or is written in the style `sequential`, which no case here does.
AT_RUNTIME = {"NET502", "NET503"}
CODES = {path.stem for path in ERRORS.glob("NET*.md")}
SEPARATOR = "=== output\n"
HEADER = re.compile(r"=== (style|set): (.*)\n")


class Case(NamedTuple):
    """A case file; `head` is all before what comes out."""

    path: Path
    head: str
    source: str
    style: Style
    settings: dict[str, str]
    expected: str


def read_case(path: Path) -> Case:
    head, separator, expected = path.read_bytes().decode().partition(SEPARATOR)
    source, style, settings = head, "module", {}
    while header := HEADER.match(source):
        source = source[header.end() :]
        if header[1] == "style":
            style = header[2]
        else:
            name, _, value = header[2].partition("=")
            settings[name] = value
    return Case(path, head, source, cast(Style, style), settings, expected)


def produce(case: Case) -> str:
    source = Source(f"{case.path.stem}.net", case.source)
    kind = case.path.relative_to(CASES).parts[0]
    if kind == "parse":
        diagnostics = Diagnostics()
        tree = outline(parse(source, diagnostics))
        return tree + "".join(f"error {found.code}: {found.message}\n" for found in diagnostics)
    if kind == "fmt":
        return formatted(source, Diagnostics()) or ""
    compiled = compile_network(source, case.settings)
    if kind == "diagnostics":
        return "\n\n".join(render(found) for found in compiled.diagnostics) + "\n"
    assert compiled.errors == ()
    return generate(compiled, case.style)


@pytest.mark.parametrize("path", sorted(CASES.rglob("*.txt")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_case(path: Path, request: pytest.FixtureRequest) -> None:
    case = read_case(path)
    produced = produce(case)
    if request.config.getoption("--update-cases"):
        path.write_bytes(f"{case.head}{SEPARATOR}{produced}".encode())
        return
    assert produced == case.expected


def test_every_code_has_a_case() -> None:
    texts = [path.read_bytes().decode() for path in (CASES / "diagnostics").rglob("*.txt")]
    shown = {
        code for text in texts for code in re.findall(r"^(?:error|warning)\[(NET\d+)\]", text, re.MULTILINE)
    }
    assert shown == CODES - AT_RUNTIME


def test_every_code_is_emitted() -> None:
    """No code in the table that nothing says, none said that is not in the table."""
    package = Path(__file__).parent.parent / "netdsl"
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    said = {code for text in texts for code in re.findall(r'"(NET\d+)"(?!:)', text)}
    assert said == CODES
