"""Checks of output files, before anything that takes long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from netdsl.commands.shared_errors import fail


def require_outputs(outputs: Sequence[Path], inputs: Sequence[str | Path] = ()) -> None:
    """Ends the command if two outputs are the same file, if one would overwrite an input, or if one can't be
    written.
    """
    read = {_real(name) for name in inputs}
    seen: set[Path] = set()
    for output in outputs:
        place = _real(output)
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


def _real(name: str | Path) -> Path:
    return Path(os.path.realpath(name))  # `Path.resolve` raises on circular links
