"""Help screens: commands and options under headings, each command on one line of at most 80 columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, TypeVar

import click

from netdsl.base.printing import adapt_streams, encodable, printable
from netdsl.commands.shared_errors import fail

F = TypeVar("F", bound=Callable[..., None])

# Options without a group: `--help`, `--version`.
_OTHER_OPTIONS = "Options"


class LaterCommand(click.Command):
    """The name of a command and the first line of its help. Its module is imported when it is called."""

    def __init__(self, name: str, line: str) -> None:
        super().__init__(name, help=line)

    def loaded(self) -> click.Command:
        module = import_module(f"netdsl.commands.{str(self.name).replace('-', '_')}")
        commands = (value for value in vars(module).values() if isinstance(value, click.Command))
        return next(command for command in commands if command.name == self.name)


class CommandGroup(click.Group):
    """A group whose help lists its commands under headings, each with the first line of its help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.headings: dict[str, Sequence[click.Command]] = {}

    def add_commands(self, heading: str, *commands: click.Command) -> None:
        self.headings[heading] = commands
        for command in commands:
            self.add_command(command)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        return command.loaded() if isinstance(command, LaterCommand) else command

    def main(self, *arguments: Any, **settings: Any) -> Any:
        adapt_streams()
        os.environ.pop("MPLBACKEND", None)  # of a notebook: it may be missing here, and no figure needs it
        if os.environ.get("COLUMNS", "").strip("0") == "":  # rich prints nothing in 0 columns
            os.environ.pop("COLUMNS", None)
        return super().main(*arguments, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for before, argument in pairwise(["", *args]):
            # Empty, as from `"$unset"`, a path would mean the current folder.
            if not argument or (argument.startswith("--") and argument.endswith("=")):
                option = argument or before
                ctx.fail(f"`{option}` is empty" if option.startswith("-") else "an argument is empty")
            if "\0" in argument:
                ctx.fail("an argument has a zero byte")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; a file that can't be used is an error in one line."""
        try:
            os.getcwd()
        except OSError:
            fail("the current folder was removed", "change to another")
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            vars(error)["message"] = encodable(printable(error.message), sys.stderr)
            raise
        except OSError as error:
            if error.filename is None:
                raise
            fail(f"{error.filename}: {error.strerror}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for heading, commands in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (f"{command.name:{width}}", (command.help or "").partition("\n")[0])
                        for command in commands
                    ]
                )


class GroupedOptionsCommand(click.Command):
    """A command whose help lists its options under the headings of `option_group`, and the parameters of the
    networks that the command line names.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.obj = list(args)  # for the help, which is written before they are parsed
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (row := parameter.get_help_record(ctx)):
                groups.setdefault(getattr(parameter, "heading", _OTHER_OPTIONS), []).append(row)
        for heading, rows in groups.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
        for name in ctx.obj or ():
            self._format_parameters(name, formatter)

    def _format_parameters(self, name: str, formatter: click.HelpFormatter) -> None:
        if name.startswith("-"):
            return
        from netdsl.syntax.net_files import parameters_of

        rows = [
            (
                f"--set {p.name.text}=…",
                f"one of {', '.join(v.span.text for v in p.values)}" if p.values else "",
            )
            for p in parameters_of(name)
        ]
        if rows:
            with formatter.section(f"Parameters of {name}"):
                formatter.write_dl(rows)


def option_group(heading: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Adds options to a command, listed under a heading in its help."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        for parameter in command.__click_params__:  # type: ignore[attr-defined]
            if not hasattr(parameter, "heading"):
                parameter.heading = heading
        return command

    return add
