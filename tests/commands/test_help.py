"""The help screens: every command on one line, options in groups, nothing wider than 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout

import click
import pytest

from netdsl.cli import main


def members(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """The commands of a group by name."""
    context = click.Context(group)
    for name in group.commands:
        command = group.get_command(context, name)
        assert command is not None
        yield name, command


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands and groups, with the words that call them."""
    yield path, group
    for name, command in members(group):
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(main))


def screen(*path: str, columns: int = 80) -> str:
    """A help screen in a terminal of this width. Click's own test runner would always take 80 columns."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(shown):
        patch.setenv("COLUMNS", str(columns))
        main.main([*path, "--help"], prog_name="netdsl", standalone_mode=False)
    return shown.getvalue()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_screens_fit_80_columns(path: tuple[str, ...], columns: int) -> None:
    assert [line for line in screen(*path, columns=columns).splitlines() if len(line) >= 80] == []


@pytest.mark.parametrize("path", [path for path, command in ALL.items() if isinstance(command, click.Group)])
def test_every_command_has_one_whole_line(path: tuple[str, ...]) -> None:
    group = ALL[path]
    assert isinstance(group, click.Group)
    lines = screen(*path).splitlines()
    for name, command in members(group):
        first = (command.help or "").partition("\n")[0]
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.split(maxsplit=1) == [name, first]
        assert first.endswith(".")


def test_commands_are_in_four_groups() -> None:
    shown = screen()
    headings = [line for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Options:",
        "Write networks:",
        "Train and use networks:",
        "Look inside a trained network:",
        "Tools:",
    ]
    assert len(main.commands) == 32


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_has_a_help(path: tuple[str, ...]) -> None:
    options = [
        option for option in ALL[path].params if isinstance(option, click.Option) and not option.hidden
    ]
    assert [option.opts for option in options if not option.help] in ([], [["--method"]])


def test_options_of_train_are_grouped() -> None:
    shown = screen("train")
    groups = dict.fromkeys(getattr(option, "heading", "") for option in ALL["train",].params)
    assert len(groups) == 5  # four, and the argument's
    for heading in filter(None, groups):
        assert f"\n{heading}:\n" in shown
    assert shown.endswith("\n\nOptions:\n  -h, --help  Show this message and exit.\n")
