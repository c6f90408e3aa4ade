"""Completion in the shell: what the command line's arguments complete to, and the scripts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from netdsl.cli import main
from tests.support.programs import run_program


def completed(*arguments: str) -> list[str]:
    """The completions of the last argument."""
    *before, incomplete = arguments
    shell = ShellComplete(main, {}, "netdsl", "_NETDSL_COMPLETE")
    return [item.value for item in shell.get_completions(before, incomplete)]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for path in ("mine.net", "notes.txt", "nets/a.net", "nets/b.net", "nets/.hidden/c.net"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    for run in ("runs/first", "runs/second"):
        Path(run).mkdir(parents=True)
        Path(run, "run.json").touch()
    Path("runs/other").mkdir()
    return tmp_path


def test_settings_are_the_parameters_and_values_of_a_network() -> None:
    assert completed("build", "resnet18", "--set", "dep") == ["depth=18", "depth=34"]
    assert completed("build", "resnet34", "--set", "dep") == ["depth=18", "depth=34"]
    assert completed("summary", "preresnet", "--set", "w") == ["width="]
    assert completed("summary", "mine.net", "--set", "") == []
    Path("mine.net").write_text("network mine(depth=8 in [8, 14])\n")
    assert completed("summary", "mine.net", "--set", "") == ["depth=8", "depth=14"]


def test_commands_and_options() -> None:
    assert {"fmt", "new", "completion"} <= set(completed(""))
    assert completed("fmt", "--d") == ["--diff"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("command", ["check", "build", "train", "import-weights"])
def test_networks_and_files(command: str) -> None:
    assert completed(command, "resnet3") == ["resnet32", "resnet34"]
    assert completed(command, "mnas") == ["mnasnet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
    assert completed(command, "mi") == ["mine.net"]
    assert completed(command, "nets/") == ["nets/a.net", "nets/b.net"]
    assert "std" not in completed(command, "s")
    assert completed(command, "resnet32", "mi") == (["mine.net"] if command != "import-weights" else [])


def test_a_single_folder_gives_what_is_in_it() -> None:
    """Behind a single answer a shell sets a blank, and the rest of the path could not be typed."""
    assert completed("fmt", "ne") == ["nets/a.net", "nets/b.net"]
    assert completed("fmt", "") == ["mine.net", "nets/", "runs/"]
    assert completed("fmt", "missing/") == []


@pytest.mark.parametrize("command", ["eval", "predict", "export", "compare", "plot", "reproduce"])
def test_runs(command: str) -> None:
    assert completed(command, "runs/") == ["runs/first", "runs/other/", "runs/second"]
    assert completed(command, "runs/f") == ["runs/first"]


def test_options_that_take_a_run_or_a_network() -> None:
    assert completed("train", "--resume", "runs/s") == ["runs/second"]
    assert completed("new", "--from", "squ") == ["squeezenet", "squeezenet1_0", "squeezenet1_1"]
    assert completed("list", "squeezenet1") == ["squeezenet1_0", "squeezenet1_1"]


def test_every_argument_that_is_a_file_completes() -> None:
    """A new command's FILE and RUN complete too: `shell_complete=complete_networks`, `complete_runs`."""
    context = click.Context(main)
    for name in main.commands:
        command = main.get_command(context, name)
        assert command is not None and (command.params or name == "lesson"), name
        for parameter in command.params:
            if isinstance(parameter, click.Argument) and parameter.name in ("file", "files", "run", "runs"):
                found = parameter.shell_complete(click.Context(command), "")
                assert found and all(item.type == "plain" for item in found), f"{parameter.name} of {name}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_the_program(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_NETDSL_COMPLETE={shell}_complete" in result.output
    assert "netdsl" in result.output
    assert 'string split ","' not in result.output, "fish would cut texts at their commas"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(tmp_path: Path) -> None:
    """In a real bash: the function that the script registers fills COMPREPLY."""
    program = tmp_path / "bin" / "netdsl"
    program.parent.mkdir()
    root = Path(__file__).resolve().parents[2]
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -c \'import sys; sys.argv[0] = "netdsl"; '
        'from netdsl.cli import main; main()\' "$@"\n'
    )
    program.chmod(0o755)
    script = f"""
        PATH={program.parent}:$PATH
        eval "$(netdsl completion bash)"
        COMP_WORDS=(netdsl check resnet3) COMP_CWORD=2
        _netdsl_completion netdsl
        echo "${{COMPREPLY[@]}}"
    """
    done = run_program(["bash", "-c", script], check=True)
    assert done.stdout == "resnet32 resnet34\n", done.stderr
