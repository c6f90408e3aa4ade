"""Errors of runs that cannot start or continue."""

from __future__ import annotations

from pathlib import Path
from signal import Signals


class RunError(Exception):
    """A run cannot start or continue: `str()` is the message, `help` the instruction.

    `status` is the exit status of the process.
    """

    def __init__(self, message: str, help: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.help = help
        self.status = status


class Diverged(RunError):
    """The loss or the weights are no longer finite."""


class Interrupted(RunError):
    """A signal stopped the run (Ctrl-C, SIGTERM); the files written before it are valid."""

    def __init__(self, message: str, help: str, signal: Signals) -> None:
        super().__init__(message, help, status=128 + signal)


class Elsewhere(RunError):
    """Another process of the same training failed and reports the error."""


def damaged(path: Path | str, reason: str = "", help: str = "") -> RunError:
    """The error for a file of a run whose content is invalid."""
    message = f"{path} is damaged: {reason}" if reason else f"{path} is damaged"
    return RunError(message, help or "restore the file from a copy, or train again")
