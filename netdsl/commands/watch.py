"""`netdsl watch`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.base.stamps import Stamp, stamp, stamps_of
from netdsl.commands.shared_code import chosen_styles, file_name, is_current, style_options
from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import INPUT_ERROR
from netdsl.commands.shared_networks import facts
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_report import show
from netdsl.commands.shared_tables import echo

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.diagnostics import Diagnostic

# Seconds between two polls of the files.
INTERVAL = 0.1
# Seconds that a file may be missing: some editors delete it before they write the new one.
PATIENCE = 1.0


@click.command()
@click.argument("file", shell_complete=complete_networks)
@style_options
@setting_options
def watch(file: str, style: str, output: Path, settings: tuple[str, ...], shape: str | None) -> None:
    """Check and build a network on every save, until Ctrl-C.

    The files that it uses are watched too. A network with errors leaves the code unchanged.
    """
    from netdsl.syntax.net_files import find

    named = find(file)
    path, given = named.path, named.settings(pairs(settings, shape))
    try:
        found = _look(path, given)
        if found.unreadable:
            show(found.diagnostics)
            sys.exit(INPUT_ERROR)
        echo(f"watching {path}; Ctrl-C ends it")
        while True:
            _tell(path, found, style, output)
            found = _changed(path, given, found)
    except KeyboardInterrupt:
        echo()


@dataclass(slots=True)
class _Look:
    """The files at one time, and the result of compiling them; `compiled` is None if there were errors."""

    stamps: dict[Path, Stamp] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    compiled: Compiled | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    unreadable: bool = False

    def read(self, path: str) -> str:
        """The text of a file, which is watched from now on, even if it can't be read yet."""
        from netdsl.syntax.net_files import read_text

        file = Path(path)
        self.stamps[file] = stamp(file)  # before reading, so that a change in between is noticed
        self.texts[file] = read_text(path)
        return self.texts[file]


def _look(path: Path, settings: dict[str, str]) -> _Look:
    from netdsl.compiler import compile_network
    from netdsl.diagnostics import Diagnostics
    from netdsl.syntax.net_files import read

    found, diagnostics = _Look({path: stamp(path)}), Diagnostics()
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
    """Waits until the text of a file changes."""
    while True:
        wait(before.stamps)
        found = _look(path, settings)
        if found.texts != before.texts:
            return found
        before.stamps = found.stamps  # saved without a change


def wait(stamps: dict[Path, Stamp]) -> None:
    """Waits until a file has changed and all are stable again."""
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


def _tell(path: Path, found: _Look, style: str, output: Path) -> None:
    """Shows the diagnostics, writes the code if there is any, and prints a line on what was done."""
    show(found.diagnostics)
    if found.compiled is None:
        done = "has errors; its code is unchanged"
    else:
        done = facts(found.compiled)
        if found.compiled.network is not None:
            done += f"; {_write(found.compiled, style, output)}"
    echo(f"{datetime.now():%H:%M:%S} {path}: {done}")


def _write(compiled: Compiled, chosen: str, output: Path) -> str:
    """Writes the files that are out of date; returns what was written, as text."""
    from netdsl.base.atomic import write
    from netdsl.compiler import generate
    from netdsl.diagnostics.network_error import NetworkError

    assert compiled.network is not None
    written = []
    for style in chosen_styles(chosen, compiled):
        place = output / file_name(compiled.network.network.name, style)
        try:
            code = generate(compiled, style)
            if not is_current(place, code):
                write(place, code.encode())
                written.append(str(place))
        except (OSError, UnicodeDecodeError, NetworkError) as error:
            return str(error)
    return f"wrote {', '.join(written)}" if written else "the code is unchanged"
