"""The final figures of a run, in `report.json`; an interrupted run has no report."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

from netdsl.runtime.errors import damaged
from netdsl.runtime.metrics import require_numbers
from netdsl.runtime.storage import read_json, write_json
from netdsl.runtime.train import Report

FILE = "report.json"


def write(run: Path, report: Report) -> None:
    """Writes the report of a finished run. Raises RunError."""
    write_json(run / FILE, asdict(report))


def read(run: Path) -> Report | None:
    """The report of a run; None if the run is not finished. Raises RunError if it is damaged."""
    path = run / FILE
    if (values := read_json(path)) is None:
        return None
    # Fields of later versions are ignored.
    known = {field.name: values.get(field.name) for field in fields(Report)}
    try:
        require_numbers(known)
    except ValueError as error:
        raise damaged(path, str(error), "restore the file, or leave this run out") from error
    return Report(**known)
