"""The final figures of a run, in `report.json`; an interrupted run has no report."""

from __future__ import annotations

from pathlib import Path

from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.storage import read_json, write_json
from netdsl.runtime.train import Report

FILE = "report.json"


def write(run: Path, report: Report) -> None:
    """Writes the report of a finished run. Raises RunError."""
    write_json(run / FILE, report.to_json())


def read(run: Path) -> Report | None:
    """The report of a run; None if the run is not finished. Raises RunError if it is damaged."""
    help = "restore the file, or leave this run out"
    found = read_json(run / FILE, dict[str, object], help)
    if found is None:
        return None
    try:
        return Report.of_json(found)
    except ValueError as error:
        raise damaged(run / FILE, str(error), help) from error


def remove(run: Path) -> None:
    """Removes the report of a run that continues. Raises RunError."""
    try:
        (run / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot remove {run / FILE}: {error.strerror}", "move it elsewhere") from error
