"""The final figures of a run, in `report.json`; an interrupted run has no report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import read_json, write_json
from netdsl.runtime.train import Report

FILE = "report.json"


def write(run: Path, report: Report) -> None:
    """Writes the report of a finished run. Raises RunError."""
    write_json(run / FILE, asdict(report))


def read(run: Path) -> Report | None:
    """The report of a run; None if the run is not finished. Raises RunError if it is damaged."""
    return read_json(run / FILE, Report, "restore the file, or leave this run out")


def remove(run: Path) -> None:
    """Removes the report of a run that continues. Raises RunError."""
    try:
        (run / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot remove {run / FILE}: {error.strerror}", "move it elsewhere") from error
