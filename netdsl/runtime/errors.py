"""What the runtime says when it cannot go on."""

from __future__ import annotations

from signal import Signals


class RunError(Exception):
    """A run that cannot start or go on: `str()` says what and where, `help` the way out.

    `status` is the exit status of the process.
    """

    def __init__(self, message: str, help: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.help = help
        self.status = status


class Diverged(RunError):
    """The loss or the weights are not finite any more."""


class Interrupted(RunError):
    """A signal stopped the run (Ctrl-C, SIGTERM); what was written before is valid."""

    def __init__(self, message: str, help: str, signal: Signals) -> None:
        super().__init__(message, help, status=128 + signal)


class Elsewhere(RunError):
    """Another process of the same training failed, with this one or before it, and says why."""
