"""Commands that change `.net` files: which files, the difference shown, the file written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_tables import printable

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def own_files(names: Iterable[str]) -> list[Path]:
    """The files that arguments name, with those in folders; a network that comes with netdsl is an error."""
    from netdsl.syntax.net_files import find, inside

    paths = []
    for name in names:
        path = Path(name)
        if find(name) != path:
            fail(f"`{name}` comes with netdsl", f"`netdsl new my_{name} --from {name}` makes a copy of it")
        elif not path.is_dir():
            paths.append(path)
        elif files := inside(path):
            paths += files
        else:
            fail(f"there is no .net file in {printable(path)}")
    return paths


def show_difference(name: str, before: str, after: str, change: str) -> None:
    """Prints the lines of a file that a `change` makes different, such as "formatted"."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    if old == new:
        click.echo(f"{name}: line endings, or the end of the file, would change")
    for line in unified_diff(old, new, name, f"{name}, {change}", lineterm=""):
        bold = line[:3] in ("+++", "---")
        click.echo(click.style(printable(line), fg=_COLOURS.get(line[0]), bold=bold))


def rewrite(path: Path, content: bytes, silent: bool = False) -> None:
    """Replaces a file, and says so; ends the program if that is impossible."""
    from netdsl.base.atomic import write

    if not os.access(path, os.W_OK):  # `write` replaces the file, for which a writable folder is enough
        fail(f"{printable(path)} can't be written: it is write-protected")
    try:
        write(path.resolve(), content)  # resolved: a link stays a link
    except OSError as error:
        fail(f"{printable(path)} can't be written: {error.strerror}")
    if not silent:
        click.echo(f"wrote {printable(path)}")
