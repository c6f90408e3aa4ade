"""Output of every command in encodings other than UTF-8, and of names that a terminal would obey."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from netdsl.base.printing import encodable, printable
from netdsl.cli import main
from tests.support.programs import run_program
from tests.trained.conftest import SMALL

# Bytes that aren't UTF-8, a terminal sequence, a line break, and signs that cp1252 or ASCII lack.
ODD = os.fsdecode(b"caf\xe9 ") + "\x1b[2J\n→é"

# A command for each one that prints names or tables; NAME is the odd name, of a run and of files.
COMMANDS = """
    check NAME.net resnet32
    check NAME.net --format github
    build NAME.net -o NAME-code
    build NAME.net -o NAME-code --check
    fmt --diff NAME.net
    fmt --check NAME.net
    fmt NAME.net
    summary resnet32
    summary NAME.net
    diff resnet32 plain32
    diff NAME.net other.net
    graph NAME.net -o NAME.svg
    graph NAME.net -o NAME.png
    graph NAME.net -o NAME.html
    new NAME
    new copied --from NAME.net
    list
    explain
    explain NET301
    completion bash
    import-weights NAME.net --from NAME.pth -o NAME.safetensors
    train NAME.net --run NAME
    train NAME.net --data folder:NAME-none
    train --resume NAME
    train NAME-none.net
    train NAME.net --NAME
    eval NAME
    eval NAME --data folder:NAME-none
    data NAME
    predict NAME NAME.jpg NAME-none.jpg NAME.net
    compare NAME NAME -o NAME.png
    plot NAME NAME -o NAME.png
    reproduce NAME --run NAME-again
    features NAME -o NAME-features
    saliency NAME NAME.jpg -o NAME.png
    saliency NAME NAME.net -o NAME.png
    attack NAME NAME.jpg --target 3 --steps 1 -o NAME.png
    dream NAME --class 3 --steps 1 -o NAME.png
    robustness NAME --images 2 --steps 1 -o NAME.png
    style NAME.jpg NAME.jpg -o NAME.png --run NAME --steps 1 --size 16
    NAME
    check --NAME
    report NAME -o NAME-report.html
    lr-find NAME.net --images 64 --steps 3 -o NAME-lr.png
    tune NAME.net --set width=4,5 --trials 1 --images 64 --run NAME-tuned
"""
# `lsp` speaks a protocol, `watch` never ends; `lesson` prints as an experiment does, `export` takes long.
OTHERS = {"lsp", "watch", "lesson", "export", "serve"}


@pytest.fixture(scope="module")
def place(trained: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    shutil.copytree(trained / "module", folder / ODD)
    (folder / "other.net").write_text(SMALL.replace("dropout(0.1), ", ""))
    (folder / f"{ODD}.net").write_text(SMALL)
    shutil.copy(pictures / "0.png", folder / f"{ODD}.jpg")
    return folder


@pytest.mark.parametrize("charset", ["cp1252", "ascii"])
@pytest.mark.parametrize("command", [line.strip() for line in COMMANDS.strip().splitlines()])
def test_every_name_and_table_can_be_shown(
    command: str, charset: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    arguments = [part.replace("NAME", ODD) for part in command.split()]
    result = CliRunner(charset=charset).invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    shown = result.output_bytes.decode(charset)
    assert "\x1b" not in shown and "2J\n" not in shown
    assert "is damaged" not in shown and "Error: No such option '--mistakes" not in shown


def test_every_command_is_shown() -> None:
    words = {line.split()[0] for line in COMMANDS.strip().splitlines()}
    assert set(main.commands) - words == OTHERS


def test_what_an_encoding_lacks_is_replaced() -> None:
    assert printable(ODD) == "caf\\xe9 \\x1b[2J\\n→é"
    stream = type("Stream", (), {"encoding": "ascii"})()
    assert encodable("2×3 → 5 ± 1 – …é", stream) == "2x3 -> 5 +- 1 - ...\\xe9"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str, place: Path) -> None:
    shell = f'"$0" -m netdsl build other.net -o code {closed}'
    assert run_program(["sh", "-c", shell, sys.executable], cwd=place).returncode == 0
    # Nothing that was printed is in the file that got the number of the closed stream.
    assert (place / "code" / "small.py").read_text().startswith('"""')
