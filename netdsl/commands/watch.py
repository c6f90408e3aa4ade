"""`netdsl watch`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from netdsl.commands.shared_code import file_name, is_current, style_options, styles_of
from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR
from netdsl.commands.shared_networks import facts
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_report import show
from netdsl.commands.shared_tables import printable

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.diagnostics import Diagnostic

# Seconds between two looks at the files.
INTERVAL = 0.1
# Some editors take a file away before they put the new one there: so long a file may be gone.
PATIENCE = 1.0

# What a change of a file changes; None where it can't be seen.
Stamp: TypeAlias = tuple[int, int, int] | None


@click.command()
@click.argument("file", shell_complete=complete_networks)
@style_options
@setting_options
def watch(file: str, style: str, output: Path, settings: tuple[str, ...], shape: str | None) -> None:
    """Check a network and write its code, and do so again on every save, until Ctrl-C.

    The files that it uses are watched too. What has errors leaves the code as it was.
    """
    from netdsl.syntax.net_files import find

    path, given = find(file), pairs(settings, shape)
    try:
        found = _look(path, given)
        if found.unreadable:
            show(found.diagnostics)
            sys.exit(INPUT_ERROR)
        click.echo(f"watching {printable(path)}; Ctrl-C ends it")
        while True:
            _tell(path, found, style, output)
            found = _changed(path, given, found)
    except KeyboardInterrupt:
        click.echo()


@dataclass(slots=True)
class _Look:
    """What the files held at one time, and what came of them; `compiled` is None where there were errors."""

    stamps: dict[Path, Stamp] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    compiled: Compiled | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    unreadable: bool = False

    def read(self, path: str) -> str:
        """The text of a file, which is watched from now on, even where it can't be read yet."""
        from netdsl.syntax.net_files import read_text

        file = Path(path)
        self.stamps[file] = _stamp(file)  # before it is read: a change between the two is seen later
        self.texts[file] = read_text(path)
        return self.texts[file]


def _look(path: Path, settings: dict[str, str]) -> _Look:
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.syntax.net_files import read

    found, diagnostics = _Look({path: _stamp(path)}), Diagnostics()
    source = read(path, diagnostics)
    if source is None:
        found.diagnostics, found.unreadable = tuple(diagnostics), True
        return found
    found.texts[path] = source.text
    compiled = compile_network(source, settings, read=found.read)
    found.compiled = None if compiled.errors else compiled
    found.diagnostics = compiled.diagnostics
    return found


def _changed(path: Path, settings: dict[str, str], before: _Look) -> _Look:
    """Waits until a file says something else than before."""
    while True:
        wait(before.stamps)
        found = _look(path, settings)
        if found.texts != before.texts:
            return found
        before.stamps = found.stamps  # saved as it was


def wait(stamps: dict[Path, Stamp]) -> None:
    """Until a file has changed, and no file changes any more."""
    while stamps_of(stamps) == stamps:
        time.sleep(INTERVAL)
    since, last = time.monotonic(), stamps
    while True:
        now = stamps_of(stamps)
        gone = any(now[path] is None and stamps[path] is not None for path in stamps)
        if now == last and not (gone and time.monotonic() - since < PATIENCE):
            return
        last = now
        time.sleep(INTERVAL)


def stamps_of(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """What there is to see of files now."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _tell(path: Path, found: _Look, style: str, output: Path) -> None:
    """Writes the code where there is any, and says in a line what was done."""
    show(found.diagnostics)
    if found.compiled is None:
        done = "has errors, and its code is left as it was"
    else:
        done = facts(found.compiled)
        if found.compiled.network is not None:
            done += f"; {_write(found.compiled, style, output)}"
    click.echo(f"{datetime.now():%H:%M:%S} {printable(path)}: {done}")


def _write(compiled: Compiled, chosen: str, output: Path) -> str:
    """Writes the code that isn't there yet; says what was written."""
    from netdsl.base.atomic import write
    from netdsl.compiler import generate

    assert compiled.network is not None
    written = []
    for style in styles_of(chosen):
        place, code = output / file_name(compiled.network.network.name, style), generate(compiled, style)
        try:
            if not is_current(place, code):
                write(place, code.encode())
                written.append(printable(place))
        except (OSError, UnicodeDecodeError) as error:
            return f"{printable(place)} can't be written: {error}"
    return f"wrote {', '.join(written)}" if written else "the code stays the same"
