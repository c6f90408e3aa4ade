"""A notebook, executed: cells of the language, what networks and runs show, and progress on one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = """%%net width=6
network made(width=4)
input 1x8x8
classes 10
layers { conv(width, 3), relu, flatten, linear(classes) }
train {
  data digits
  images 100
  epochs 2
}
"""
WRONG = """%%net
network wrong
input 1x8x8
head { flaten, linear(10) }
"""
CELLS = [
    "%load_ext netdsl",
    GOOD,
    WRONG,
    "made.parameters",
    "%%net\nblock b(out) { conv(out, 3) }",
    "run = made.train(device='cpu', compile='off')",
    "run",
    "!netdsl train {path} --run again --device cpu --compile off",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The outputs of each of the cells."""
    nbformat = pytest.importorskip("nbformat", reason='needs the extra: pip install "netdsl[dev]"')
    client = pytest.importorskip("nbclient", reason='needs the extra: pip install "netdsl[dev]"')
    pytest.importorskip("ipykernel", reason='needs the extra: pip install "netdsl[dev]"')
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "made.net").write_text(GOOD.partition("\n")[2])
    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(text.replace("{path}", str(folder / "made.net"))) for text in CELLS
    ]
    book.cells[2].metadata.tags = ["raises-exception"]
    root = str(Path(__file__).parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDSL_CACHE", str(folder / "cache"))
        patch.setenv("PYTHONPATH", root)
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        settings = {"metadata": {"path": str(folder)}}
        client.NotebookClient(book, timeout=300, resources=settings, coalesce_streams=True).execute()
    if kept := os.environ.get("NETDSL_TEST_NOTEBOOK"):  # to look at
        nbformat.write(book, kept)
    return [cell.outputs for cell in book.cells]


def html(outputs: list[Any]) -> str:
    return "".join(found.data["text/html"] for found in outputs if "text/html" in found.get("data", {}))


def text(outputs: list[Any]) -> str:
    return "".join(found.text for found in outputs if found.output_type == "stream")


def test_a_cell_of_the_language_binds_its_network(outputs: list[list[Any]]) -> None:
    shown = html(outputs[1])
    assert "<img" in shown and "made(width=6)" in shown
    assert outputs[3][0].data["text/plain"] == "{'width': 6}"


def test_errors_are_shown_in_the_cell_with_their_helps(outputs: list[list[Any]]) -> None:
    shown = html(outputs[2])
    assert "NET201" in shown and "flatten" in shown and "color:#d1242f" in shown
    assert "<img" not in shown
    assert "a library of blocks" in html(outputs[4])


def test_progress_is_one_line(outputs: list[list[Any]]) -> None:
    for lines in (text(outputs[5]).splitlines(), text(outputs[7]).splitlines()):
        head = next(number for number, line in enumerate(lines) if line.split()[:2] == ["epoch", "loss"])
        assert [line.split()[0] for line in lines[head + 1 : head + 3]] == ["1/2", "2/2"]
        assert len(lines) <= 9 and max(map(len, lines)) < 160
        assert "\x1b" not in "".join(lines)


def test_a_run_shows_its_curves(outputs: list[list[Any]]) -> None:
    shown = html(outputs[6])
    assert "data:image/png;base64" in shown and "runs/made" in shown


class Shell:
    """The parts of IPython's shell that a cell uses."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.next = ""

    def push(self, names: dict[str, Any]) -> None:
        self.names |= names

    def set_next_input(self, text: str, replace: bool) -> None:
        assert replace
        self.next = text


def test_fixes_are_applied_to_the_cell() -> None:
    pytest.importorskip("IPython", reason='needs the extra: pip install "netdsl[dev]"')
    from netdsl.api.notebook import _Cells

    shell, wrong = Shell(), WRONG.partition("\n")[2]
    checked = _Cells(shell).net("--fix", wrong)
    fixed = wrong.replace("flaten", "flatten")
    assert checked.ok and shell.next == f"%%net\n{fixed}"
    assert shell.names["wrong"].parameters_count == 650
