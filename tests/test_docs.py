"""The examples and outputs in README and docs are correct."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import netdsl
from netdsl.base.source import Source
from netdsl.cli import main
from netdsl.compiler import compile_network
from netdsl.diagnostics.render_text import render
from netdsl.syntax.net_files import shipped
from tests.support.equality import assert_styles_agree

ROOT = Path(__file__).resolve().parent.parent
# The examples of docs/errors.md are wrong on purpose: tests/errors/test_error_docs.py is about them.
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "errors.md"})]


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language in all pages, with the page's name."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(page.name, text) for page in PAGES for text in pattern.findall(page.read_text())]


# Files that an example uses: the fence names them.
LIBRARIES: dict[str, str] = dict(
    found
    for page in PAGES
    for found in re.findall(r"^```net (\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
)


@pytest.mark.parametrize(("page", "text"), blocks("net"))
def test_networks_of_the_pages_run(page: str, text: str) -> None:
    compiled = compile_network(Source(page, text), read=LIBRARIES.__getitem__)
    assert not compiled.diagnostics, "\n".join(render(d) for d in compiled.diagnostics)
    assert_styles_agree(netdsl.Network(compiled))


def test_the_readme_shows_the_shipped_resnet32() -> None:
    assert shipped()["resnet32"].read_text() in [text for _, text in blocks("net")]


def test_a_page_lists_the_shipped_networks() -> None:
    page = (ROOT / "docs" / "networks.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == shipped().keys() - {"std"}


def test_the_readme_begins_with_two_commands() -> None:
    page, text = blocks("sh")[0]
    train, test = text.splitlines()
    assert page == "README.md"
    assert train.endswith(".venv/bin/netdsl train networks/resnet32.net --data digits")
    assert test.endswith(".venv/bin/pytest")


def commands() -> list[tuple[str, str]]:
    """The lines that call netdsl in all pages, with the page's name."""
    lines = [(page, line) for page, text in blocks("sh") for line in text.replace("\\\n", "").splitlines()]
    return [(page, line.partition("#")[0].strip()) for page, line in lines if line.startswith("netdsl ")]


@pytest.mark.parametrize(
    "command", [c for page, c in commands() if page == "README.md" and c.startswith("netdsl build")]
)
def test_build_commands_of_the_readme(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "networks").symlink_to(ROOT / "networks")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("page", "command"), commands())
def test_options_in_the_pages_exist(page: str, command: str) -> None:
    _, name, *arguments = shlex.split(command)
    of_group = isinstance(main.get_command(click.Context(main), name), click.Group)
    shown = CliRunner().invoke(main, [name, *arguments[:of_group], "--help"]).output
    for option in (argument.partition("=")[0] for argument in arguments if argument.startswith("-")):
        assert option in shown, f"`netdsl {name}` does not speak of {option}"


def test_the_python_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples run as they stand, and their comments say what comes out."""
    monkeypatch.chdir(tmp_path)
    code = next(text for page, text in blocks("python") if page == "README.md" and "import netdsl" in text)
    names: dict[str, object] = {}
    exec(code, names)
    network = names["network"]
    assert isinstance(network, netdsl.Network)
    assert f"{network.parameters_count:,}" in code
    assert str(network.output_shape) in code


def test_the_error_of_the_readme() -> None:
    """The message in the README is, place and all, what the compiler says of such a file."""
    shown = next(text for page, text in blocks("") if page == "README.md" and "NET401" in text)
    source = """\
network mine
input 3x32x32
classes 10
order bn, relu, conv
stem { conv(8, 3), relu }
stages residual {
  out  repeat  stride
   8     5       1
  16     5       2
}
block residual(out, stride=1) {
  skip { unit(out, 3, stride), unit(out, 3) }
}
head { global_avgpool, flatten, linear(classes) }
"""
    (diagnostic,) = compile_network(Source("mine.net", source)).diagnostics
    assert render(diagnostic) == shown.rstrip("\n")
