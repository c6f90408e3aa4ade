"""Output to the user's console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from netdsl.base.printing import printable


def say(console: Console, text: str) -> None:
    """Prints a line of plain text: no markup, no highlighting, no wrapping."""
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def warn(console: Console, message: str, help: str) -> None:
    """Prints a warning; the training goes on."""
    say(console, f"warning: {message}")
    say(console, f"  = help: {help}")


@contextmanager
def progress(what: str, total: int, console: Console) -> Iterator[Callable[..., None]]:
    """A progress bar on a terminal, removed at the end; yields a function that advances it, by 1 or more."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(steps: int = 1) -> None:
            bar.advance(task, steps)

        yield advance
