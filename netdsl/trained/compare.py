"""`netdsl compare`: the figures of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netdsl.diagnostics.network_error import NetworkError
from netdsl.runtime import metrics, report
from netdsl.runtime.errors import RunError
from netdsl.trained.open_run import open_run


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run. Scores are from 0 to 1.

    `network` includes the settings of the run; `metric` is that of the task. `validation_score` is
    the best one, None without validation, and `test_score` that of the best weights, None if the run is not
    finished. `seconds` is the time of the training.
    """

    run: Path
    network: str
    parameters: int
    macs: int
    epochs: float
    metric: str
    validation_score: float | None
    test_score: float | None
    seconds: float


def compare(folders: Sequence[Path]) -> list[Summary]:
    """The runs sorted by their best score on validation images, best first; those without validation last.

    Raises RunError if a folder holds no run or a damaged one.
    """
    return sorted(map(summarise, folders), key=_rank)


def summarise(folder: Path) -> Summary:
    """The figures in a run's files; nothing is trained or evaluated. Raises RunError."""
    rows = metrics.read(folder)
    try:
        run = open_run(folder)
    except NetworkError as error:
        raise RunError(
            f"the network in {folder} has errors: {error.diagnostics[0].message}",
            "it may be of another version of netdsl; remove this run",
        ) from error
    finished = report.read(folder)
    scores = [row.validation_score for row in rows if row.validation_score is not None]
    return Summary(
        run=folder,
        network=run.title,
        parameters=run.network.parameters_count,
        macs=run.network.macs,
        epochs=rows[-1].epoch,
        metric=rows[0].metric,
        validation_score=max(scores, default=None),
        test_score=finished.test_score if finished else None,
        seconds=finished.seconds if finished else rows[-1].seconds,
    )


def _rank(summary: Summary) -> float:
    return 1 if summary.validation_score is None else -summary.validation_score
