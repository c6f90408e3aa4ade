"""Commands that change `.net` files: which files, the difference shown, the file written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netdsl.base.paths import real
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_outputs import write_file
from netdsl.commands.shared_tables import echo

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def own_files(names: Iterable[str]) -> list[Path]:
    """The files that arguments name, with those in folders; a network that comes with netdsl is an error."""
    from netdsl.syntax.net_files import find, inside

    paths = []
    for name in names:
        path = Path(name)
        if find(name).path != path:
            fail(f"`{name}` comes with netdsl", f"`netdsl new my_{name} --from {name}` makes a copy of it")
        elif not path.is_dir():
            paths.append(path)
        elif files := inside(path):
            paths += files
        else:
            fail(f"there is no .net file in {path}")
    return paths


def show_difference(name: str, before: str, after: str, change: str) -> None:
    """Prints the lines of a file that a `change` makes different, such as "formatted"."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    if old == new:
        echo(f"{name}: line endings, or the end of the file, would change")
    for line in unified_diff(old, new, name, f"{name}, {change}", lineterm=""):
        echo(line, fg=_COLOURS.get(line[0]), bold=line[:3] in ("+++", "---"))


def rewrite(path: Path, content: str | bytes) -> None:
    """Replaces a file; ends the program if that is impossible."""
    if not os.access(path, os.W_OK):  # a writable folder would be enough, since the file is replaced
        fail(f"{path} can't be written: it is write-protected")
    write_file(real(path), content)  # a link stays a link
