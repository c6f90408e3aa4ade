"""The metrics of a run: a line of JSON for each epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from netdsl.base.typed_json import Range, Seconds, Share, parse, typed
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.storage import read_bytes, write_atomic

FILE = "metrics.jsonl"
# The metrics of tasks (`Task.metric`), from 0 to 1, and their names in tables and pictures.
METRICS = {"accuracy": "accuracy", "ap50": "AP50", "iou": "mIoU"}
# All scores from 0 to 1.
SCORES = METRICS | {"ap": "AP", "ap75": "AP75", "top5": "top-5", "pixels": "pixel accuracy"}
# Scores of single classes.
CLASS_SCORES = SCORES | {"iou": "IoU"}


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a run after `epoch` epochs.

    `figures` are those of the training beside its loss, `validation` the scores on the validation images,
    empty without any. `lr` is the last learning rate, `images_per_second` excludes evaluation, `seconds` is
    the time since the start of the run.
    """

    epoch: Annotated[float, Range(0, 1e9)]
    lr: float
    loss: float
    images_per_second: Annotated[float, Range(0, 1e15)]
    seconds: Seconds
    figures: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError if a task's metric is not from 0 to 1."""
        for values in (self.figures, self.validation):
            for name in METRICS.keys() & values.keys():
                typed(Share, values[name], name)

    @property
    def metric(self) -> str:
        """The name of the task's metric."""
        return next(name for name in (*self.validation, *self.figures, "accuracy") if name in METRICS)

    @property
    def score(self) -> float | None:
        """The task's metric on the training images, if a step can tell it."""
        return self.figures.get(self.metric)

    @property
    def validation_score(self) -> float | None:
        """The task's metric on the validation images; None without any."""
        return self.validation.get(self.metric)

    @property
    def validation_loss(self) -> float | None:
        return self.validation.get("loss")

    def to_json(self) -> dict[str, float]:
        """The metrics by name, those of the validation with a prefix."""
        return {
            "epoch": self.epoch,
            "lr": self.lr,
            "loss": self.loss,
            **self.figures,
            **{f"validation_{name}": value for name, value in self.validation.items()},
            "images_per_second": self.images_per_second,
            "seconds": self.seconds,
        }

    @staticmethod
    def of_json(values: object) -> Metrics:
        """The metrics of an object of JSON. Raises ValueError if a value is missing or invalid."""
        if not isinstance(values, dict):
            return typed(Metrics, values)
        own = {"epoch", "lr", "loss", "images_per_second", "seconds"}
        validation = with_prefix(values, "validation_")
        figures = {
            name: value
            for name, value in values.items()
            if name not in own and not name.startswith("validation_") and value is not None
        }
        return typed(Metrics, {**values, "figures": figures, "validation": validation})


def scores_text(scores: Mapping[str, float]) -> str:
    """Scores and loss in words: `accuracy 91.20%, loss 0.2814`."""
    shares = [f"{name} {scores[key]:.2%}" for key, name in SCORES.items() if key in scores]
    return ", ".join([*shares, f"loss {scores['loss']:.4f}"])


def with_prefix(values: Mapping[str, object], prefix: str) -> dict[str, object]:
    """The values whose names begin with a prefix, which are not null, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix) and value is not None
    }


def best(rows: Sequence[Metrics]) -> Metrics:
    """The best epoch: the first with the best validation score, and of equal ones with the lower loss."""
    return max(rows, key=rank)


def rank(row: Metrics) -> tuple[float, float]:
    """By which epochs are compared: the validation score, and of equal ones the lower loss."""
    return row.validation_score or 0.0, -(row.validation_loss or 0.0)


def write(run: Path, rows: list[Metrics]) -> None:
    """Writes all rows of a run; the file never has incomplete lines."""
    lines = [json.dumps(row.to_json(), allow_nan=False) + "\n" for row in rows]
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
        return Metrics.of_json(parse(line))
    except ValueError as error:
        raise damaged(place, str(error), "restore the line, or leave this run out") from error
