"""`netdsl fmt`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_paths
from netdsl.commands.shared_errors import INPUT_ERROR, fail
from netdsl.commands.shared_networks import short_lived
from netdsl.commands.shared_outputs import print_written
from netdsl.commands.shared_report import show
from netdsl.commands.shared_rewrite import own_files, rewrite, show_difference
from netdsl.commands.shared_tables import echo, echo_file

if TYPE_CHECKING:
    from netdsl.base.source import Source
    from netdsl.diagnostics import Diagnostics

# The file name that stands for the standard input and output.
_STREAM = "-"


@dataclass(frozen=True)
class _File:
    """A file, its text before and after formatting; `path` is None for the standard input."""

    path: Path | None
    before: str
    after: str
    changed: bool

    @property
    def name(self) -> str:
        return str(self.path or "standard input")


@click.command(name="fmt")
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER|-...", shell_complete=complete_paths)
@click.option("--check", "check_only", is_flag=True, help="Write nothing; fail if a file would change.")
@click.option("--diff", "diff_only", is_flag=True, help="Write nothing; show the changes.")
def fmt(files: tuple[str, ...], check_only: bool, diff_only: bool) -> None:
    """Format .net files.

    `-` reads standard input and writes standard output. Nothing is written if any file has a syntax
    error.
    """
    short_lived()
    formatted = _all_formatted(_paths(files))
    changed = [file for file in formatted if file.changed]
    if diff_only:
        for file in changed:
            show_difference(file.name, file.before, file.after, "formatted")
    if check_only:
        for file in changed:
            echo(f"{file.name} is not formatted", err=True)
        if changed:
            fail("run `netdsl fmt` without `--check` to format it")
    if not check_only and not diff_only:
        for file in formatted:
            _write(file)
    if not changed and _STREAM not in files:
        echo(f"{len(formatted)} file{'s are' if len(formatted) != 1 else ' is'} formatted")


def _paths(names: Sequence[str]) -> Sequence[Path | None]:
    """The files to format; None is the standard input."""
    if _STREAM not in names:
        return own_files(names)
    if len(names) > 1:
        raise click.UsageError("`-` can't be combined with files")
    return [None]


def _all_formatted(paths: Sequence[Path | None]) -> list[_File]:
    """The formatted files; ends the program if any has an error."""
    from netdsl.diagnostics import Diagnostics
    from netdsl.format import LayoutError, formatted
    from netdsl.syntax.net_files import read

    diagnostics = Diagnostics()
    files = []
    for path in paths:
        source = _standard_input(diagnostics) if path is None else read(path, diagnostics)
        try:
            text = formatted(source, diagnostics) if source else None
        except LayoutError as error:
            fail(str(error), "nothing was written; this is a bug in netdsl: please report it with the file")
        if source and text is not None:
            # Bytes: line ends and a byte order mark are part of the layout.
            changed = source.text != text if path is None else path.read_bytes() != text.encode()
            files.append(_File(path, source.text, text, changed))
    if diagnostics.errors:
        show(diagnostics)
        sys.exit(INPUT_ERROR)
    return files


def _standard_input(diagnostics: Diagnostics) -> Source | None:
    from netdsl.base.source import Source

    try:
        text = TextIOWrapper(BytesIO(sys.stdin.buffer.read()), "utf-8-sig").read()
        return Source("standard input", text)
    except UnicodeDecodeError:
        diagnostics.error("NET100", "standard input is not UTF-8 text", help="send it as UTF-8")
        return None


def _write(file: _File) -> None:
    if file.path is None:
        echo_file(file.after)
    elif file.changed:
        rewrite(file.path, file.after)
        print_written(file.path)
