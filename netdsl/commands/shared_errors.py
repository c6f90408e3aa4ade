"""Error messages without a traceback, and exit statuses."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import NoReturn

import click

from netdsl.base.printing import printable
from netdsl.commands.shared_report import show
from netdsl.commands.shared_tables import echo_painted

# Exit status for errors in the input. Click exits with 2 on wrong usage.
INPUT_ERROR = 1

# Seconds, enough for a busy machine. torchrun ends this process once the other has reported.
_TIME_TO_REPORT = 120


@contextmanager
def errors_shown() -> Iterator[None]:
    """Within the block, netdsl's errors end the program with a message instead of a traceback."""
    from netdsl.diagnostics.network_error import NetworkError
    from netdsl.runtime.errors import Elsewhere, RunError

    try:
        yield
    except Elsewhere as error:
        if error.status == INPUT_ERROR:
            let_speak()
        sys.exit(error.status)
    except RunError as error:
        fail(str(error), error.help, error.status)
    except NetworkError as error:
        show(error.diagnostics)
        sys.exit(INPUT_ERROR)


@contextmanager
def one_speaks() -> Iterator[None]:
    """Within the block, only one of the processes that torchrun started on this machine shows errors.

    For what all processes do before they are connected.
    """
    if os.environ.get("LOCAL_RANK", "0") == "0":
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            yield
    except SystemExit:
        let_speak()
        raise


def let_speak() -> None:
    """Waits for the process that shows the error: torchrun ends all processes as soon as one has ended."""
    launcher, end = os.getppid(), time.monotonic() + _TIME_TO_REPORT
    while "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() == launcher and time.monotonic() < end:
        time.sleep(0.1)


def fail(message: str, help: str = "", status: int = INPUT_ERROR) -> NoReturn:
    echo_painted(click.style("error:", fg="red", bold=True) + f" {printable(message)}", err=True)
    if help:
        echo_painted(f"  = help: {printable(help)}", err=True)
    sys.exit(status)
