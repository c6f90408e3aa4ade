"""What the runtime says when it cannot go on."""

from __future__ import annotations


class RunError(Exception):
    """A run that cannot start or go on: `str()` says what and where, `help` the way out."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


class Interrupted(RunError):
    """The user stopped the run (Ctrl-C); what was written before is valid."""
