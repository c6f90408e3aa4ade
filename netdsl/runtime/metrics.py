"""The metrics of a run: a line of JSON for each epoch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from netdsl.base.typed_json import Range, Seconds, Share, parse, typed
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.storage import read_bytes, write_atomic

FILE = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a run after `epoch` epochs.

    Accuracies are from 0 to 1; those of validation are None without validation images. `lr` is the last
    learning rate, `images_per_second` excludes evaluation, `seconds` is the time since the start of the run.
    """

    epoch: Annotated[float, Range(0, 1e9)]
    lr: float
    loss: float
    accuracy: Share
    validation_loss: float | None
    validation_accuracy: Share | None
    images_per_second: Annotated[float, Range(0, 1e15)]
    seconds: Seconds


def write(run: Path, rows: list[Metrics]) -> None:
    """Writes all rows of a run; the file never has incomplete lines."""
    lines = [json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows]
    write_atomic(run / FILE, "".join(lines).encode())


def read(run: Path) -> list[Metrics]:
    """The rows of a run, at least one. Raises RunError with file and line if one is invalid."""
    path = run / FILE
    content = read_bytes(path)
    if content is None:
        raise RunError(f"{run} holds no run: it has no {FILE}", "train first")
    if not (lines := content.splitlines()):
        raise RunError(f"{path} is empty", "train again")
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _row(line: bytes, place: str) -> Metrics:
    try:
        return typed(Metrics, parse(line))
    except ValueError as error:
        raise damaged(place, str(error), "restore the line, or leave this run out") from error
