"""Output of diagnostics: as text, JSON or annotations of GitHub."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import click

from netdsl.commands.shared_tables import echo, echo_painted

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.diagnostics.render_text import Role

Form: TypeAlias = Literal["text", "json", "github", "sarif"]

# Maximum number of diagnostics in a terminal. JSON and GitHub get all.
SHOWN = 50

# rustc's colours: the place in the colour of its severity, other places blue.
_STYLES: dict[Role, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "message": {"bold": True},
    "related": {"fg": "blue", "bold": True},
    "gutter": {"dim": True},
    "help": {"fg": "cyan", "bold": True},
}

report_option = click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Form)),
    default="text",
    help="Format of errors and warnings; github: annotations of workflows; sarif: for code hosts.",
)


class Report:
    """Collects and prints diagnostics: text at once to standard error, other formats at the end to standard
    output. Diagnostics that several files share, such as those of a used file, are printed once.
    """

    def __init__(self, form: Form = "text") -> None:
        self._form = form
        self._found: dict[Diagnostic, None] = {}

    @property
    def failed(self) -> bool:
        return any(diagnostic.severity == "error" for diagnostic in self._found)

    @property
    def textual(self) -> bool:
        """True if a command may print other text. Other formats print nothing but the diagnostics."""
        return self._form == "text"

    def add(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            if diagnostic in self._found:
                continue
            self._found[diagnostic] = None
            if self.textual and len(self._found) <= SHOWN:
                _show(diagnostic)

    def end(self) -> None:
        """Prints the number of diagnostics, or all of them in other formats. To be called once."""
        if self._form == "json":
            from netdsl.diagnostics.render_json import json_record

            echo_painted(json.dumps([json_record(diagnostic) for diagnostic in self._found], indent=2))
        elif self._form == "sarif":
            from netdsl.base.version import __version__
            from netdsl.diagnostics.render_sarif import sarif_log

            click.echo(json.dumps(sarif_log(self._found, __version__), indent=2))
        elif self._form == "github":
            from netdsl.diagnostics.render_json import workflow_command

            for diagnostic in self._found:
                echo_painted(workflow_command(diagnostic))
        elif self._found:
            self._sum_up()

    def _sum_up(self) -> None:
        if len(self._found) > SHOWN:
            echo_painted(f"… and {len(self._found) - SHOWN} more\n", err=True)
        counts = Counter(diagnostic.severity for diagnostic in self._found)
        kinds = [
            f"{counts[kind]} {kind}{'s' * (counts[kind] != 1)}"
            for kind in ("error", "warning")
            if counts[kind]
        ]
        echo(", ".join(kinds), err=True)
        codes = [diagnostic.code for diagnostic in self._found if diagnostic.severity == "error"]
        if codes:
            echo(f"for the cause of an error and an example: netdsl explain {codes[0]}", err=True)


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints errors and warnings as text, with their number; nothing if there are none."""
    report = Report()
    report.add(diagnostics)
    report.end()


def _show(diagnostic: Diagnostic) -> None:
    from netdsl.diagnostics.render_text import render

    echo_painted(render(diagnostic, terminal_width(err=True), paint) + "\n", err=True)


def paint(text: str, role: Role) -> str:
    """A piece of a diagnostic in its colour; click removes it if the output has no colours."""
    return click.style(text, **_STYLES[role])


def terminal_width(err: bool) -> int | None:
    """The width of the terminal of standard output or error; None if there is none."""
    try:
        return os.get_terminal_size((sys.stderr if err else sys.stdout).fileno()).columns or None
    except (OSError, ValueError):  # not a terminal; closed, or no file at all
        return None


def coloured() -> bool | None:
    """True if output is coloured, by the environment; None: only in a terminal."""
    requested = os.environ.get
    if requested("NO_COLOR") or requested("TERM") == "dumb":
        return False
    if requested("FORCE_COLOR", "0") not in ("", "0") or requested("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return False if requested("CLICOLOR") == "0" else None
