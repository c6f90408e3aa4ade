"""The end of a run in numbers, `report.json`. A run that was interrupted has none."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic
from netdsl.runtime.train import Report

FILE = "report.json"


def write(run: Path, report: Report) -> None:
    """Writes the report of a finished run. Raises RunError."""
    write_atomic(run / FILE, (json.dumps(asdict(report), indent=2) + "\n").encode())


def read(run: Path) -> Report | None:
    """The report of a run, None where it didn't come to its end. Raises RunError where it is damaged."""
    path = run / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error}") from error
    except ValueError as error:  # also where it is not UTF-8
        raise _damaged(path, "it is not JSON") from error
    if not isinstance(values, dict):
        raise _damaged(path, "it is not an object")
    # What a later version adds is left aside.
    known: dict[str, Any] = {field.name: values.get(field.name) for field in fields(Report)}
    for name, value in known.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number and not (value is None and name == "validation_accuracy"):
            raise _damaged(path, f"`{name}` is {json.dumps(value)}, not a number")
    return Report(**known)


def _damaged(path: Path, reason: str) -> RunError:
    return RunError(f"{path} is damaged: {reason}", "restore the file, or leave this run out")
