"""Output to the user's console."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from netdsl.base.printing import printable


def in_notebook() -> bool:
    """True in a notebook, and in a command that it runs with `!`, whose output goes there through a terminal
    without a cursor.
    """
    return "JPY_PARENT_PID" in os.environ


def user_console(quiet: bool = False) -> Console:
    """The console of standard output. In notebooks it prints text, as elsewhere: rich's HTML is a block for
    each line.
    """
    return Console(quiet=quiet, force_jupyter=False, force_terminal=False if in_notebook() else None)


def say(console: Console, text: str) -> None:
    """Prints a line of plain text: no markup, no highlighting. On a terminal and in a notebook, which breaks
    long lines inside of words, it is wrapped between words.
    """
    whole = not (console.is_terminal or in_notebook())
    console.print(printable(text), highlight=False, markup=False, soft_wrap=whole)


def warn(console: Console, message: str, help: str) -> None:
    """Prints a warning; the training goes on."""
    say(console, f"warning: {message}")
    say(console, f"  = help: {help}")


@contextmanager
def progress(what: str, total: int, console: Console) -> Iterator[Callable[..., None]]:
    """A progress bar on a terminal, removed at the end; yields a function that advances it, by 1 or more."""
    with Progress(console=console, transient=True, disable=in_notebook() or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(steps: int = 1) -> None:
            bar.advance(task, steps)

        yield advance
