"""The metrics of a run: a line of JSON for each epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic

FILE = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a run after `epoch` epochs.

    Accuracies are from 0 to 1; those of validation are None without validation images. `lr` is the last
    learning rate, `images_per_second` excludes evaluation, `seconds` is the time since the start of the run.
    """

    epoch: float
    lr: float
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    images_per_second: float
    seconds: float


def write(run: Path, rows: list[Metrics]) -> None:
    """Writes all rows of a run; the file never has incomplete lines."""
    lines = [json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows]
    write_atomic(run / FILE, "".join(lines).encode())


def read(run: Path) -> list[Metrics]:
    """The rows of a run, at least one. Raises RunError with file and line if one is invalid."""
    path = run / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise RunError(f"{run} holds no run: it has no {FILE}", "train first") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not lines:
        raise RunError(f"{path} is empty", "train again")
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _row(line: str, place: str) -> Metrics:
    names = {field.name for field in fields(Metrics)}
    help = "restore the line, or leave this run out"
    try:
        values = json.loads(line)
    except ValueError as error:
        raise RunError(f"{place}: not a line of JSON: {error}", help) from error
    if not isinstance(values, dict) or values.keys() != names:
        raise RunError(f"{place}: expected the keys {', '.join(sorted(names))}", help)
    try:
        require_numbers(values)
    except ValueError as error:
        raise RunError(f"{place}: {error}", help) from error
    return Metrics(**values)


def require_numbers(values: Mapping[str, object]) -> None:
    """Raises ValueError if a value is not a number; those of validation may be None."""
    for name, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number and not (value is None and name.startswith("validation_")):
            raise ValueError(f"`{name}` is {json.dumps(value)}, not a number")
