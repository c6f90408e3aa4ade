"""Files that commands write: their options, checks before anything that takes long, and writing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from netdsl.base.paths import real
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_help import F
from netdsl.commands.shared_tables import echo


class OutputPath(click.Path):
    """A path to write, which must end in one of the `suffixes` if there are any."""

    def __init__(self, *suffixes: str, file: bool = True, folder: bool = False) -> None:
        super().__init__(path_type=Path, file_okay=file, dir_okay=folder)
        self._suffixes = suffixes

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if self._suffixes and Path(value).suffix.lower() not in self._suffixes:
            *others, last = self._suffixes
            endings = f"{', '.join(others)} or {last}" if others else last
            self.fail(f"`{value}` must end in {endings}", param, ctx)
        return super().convert(value, param, ctx)


def output_option(help: str, *suffixes: str, required: bool = True, **more: Any) -> Callable[[F], F]:
    """`--output`, a file that ends in one of the `suffixes`."""
    return click.option("-o", "--output", required=required, type=OutputPath(*suffixes), help=help, **more)


picture_option = output_option(
    "Write the picture to this file; the suffix is its format, such as .png, .pdf or .svg.", metavar="PICTURE"
)


def require_outputs(outputs: Sequence[Path], inputs: Sequence[str | Path] = ()) -> None:
    """Ends the command if two outputs are the same file, if one would overwrite an input, or if one can't be
    written.
    """
    read = {real(name) for name in inputs}
    seen: set[Path] = set()
    for output in outputs:
        place = real(output)
        if place in seen:
            raise click.UsageError(f"{output} would be written twice: name another file")
        if place in read or (place.parent in read and place.exists()):
            raise click.UsageError(f"{output} is an input, and would be lost: name another file")
        seen.add(place)
    for output in outputs:
        if reason := _hindrance(output):
            fail(f"cannot write {output}: {reason}", "choose another folder")


def _hindrance(output: Path) -> str | None:
    """Why a file can't be written, as far as that is known in advance."""
    try:
        if output.exists() and not output.is_file():
            return "it is not a regular file"
        folder = next(folder for folder in output.absolute().parents if folder.exists())
    except OSError as error:  # such as a name that is too long
        return error.strerror
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} is not writable"


def write_file(path: Path, content: str | bytes) -> None:
    """Writes a file, or ends the program with an error that names it."""
    from netdsl.base.atomic import write

    try:
        write(path, content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        fail(str(error))


def print_written(*files: Path, err: bool = False) -> None:
    for file in files:
        echo(f"wrote {file}", err=err)
