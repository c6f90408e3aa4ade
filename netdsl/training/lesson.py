"""`netdsl lesson batch-norm`: with and without batch norm at three learning rates, in one picture.

The course's experiment: 500 images, on which a network without batch norm depends far more on its learning
rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics.network_error import NetworkError
from netdsl.runtime import metrics, plot
from netdsl.runtime.errors import Interrupted
from netdsl.runtime.plot import Curve, Panel
from netdsl.runtime.speed import SpeedRequest
from netdsl.training.experiment import run_experiment
from netdsl.training.plan import Entry
from netdsl.training.results import NetworkResult, RunResult
from netdsl.training.train_run import free_folder

RATES = ("0.001", "0.01", "0.1")
PICTURE = "batch-norm.png"
_CASES = {"with batch norm": "yes", "without": "no"}


def batch_norm_lesson(
    folder: Path | None, overrides: Mapping[str, str], request: SpeedRequest
) -> tuple[Path, list[NetworkResult]]:
    """Trains the six networks of the lesson, whose accuracies `draw` draws.

    `overrides` are those of the recipe in networks/lessons/batch_norm.net. A run that diverges is a valid
    result. Raises RunError, and NetworkError for invalid overrides.
    """
    folder = folder or free_folder("batch-norm")
    path = NETWORKS / "lessons" / "batch_norm.net"
    source = Source(str(path), path.read_text(encoding="utf-8"))
    entries = [_entry(source, case, lr, overrides) for lr in RATES for case in _CASES]
    try:
        _, results = run_experiment(entries, "module", folder, request)
    except Interrupted as error:
        error.help = "start the lesson again in another folder: the picture is drawn at its end"
        raise
    return folder, results


def draw(folder: Path, results: Sequence[NetworkResult]) -> None:
    """Draws `batch-norm.png`, rows for training and validation, columns for rates. Raises RunError."""
    columns = [results[i : i + len(_CASES)] for i in range(0, len(results), len(_CASES))]
    rows = []
    for part in ("training", "validation"):
        panels = []
        for lr, column in zip(RATES, columns, strict=True):
            pairs = zip(_CASES, column, strict=True)
            curves = [_curve(folder, case, result.runs[0], part) for case, result in pairs]
            panels.append(Panel(curves, f"{part} accuracy", f"learning rate {lr}"))
        rows.append(panels)
    plot.draw(rows, folder / PICTURE)


def _entry(source: Source, case: str, lr: str, overrides: Mapping[str, str]) -> Entry:
    settings = {"batch_norm": _CASES[case]}
    all_overrides = {**overrides, "optimizer.lr": lr}
    compiled = compile_network(source, settings, all_overrides)
    if compiled.errors:
        raise NetworkError(compiled.errors)
    name = f"{case.replace(' ', '-')}-lr-{lr}"
    return Entry.of(name, compiled, all_overrides, 1)


def _curve(folder: Path, case: str, run: RunResult, part: str) -> Curve:
    """The accuracies of a run before it diverged, if it did; none if it diverged in its first epoch."""
    rows = metrics.read(folder / run.folder) if (folder / run.folder / metrics.FILE).exists() else []
    label = case if run.error is None else f"{case}: diverged in epoch {len(rows) + 1}"
    return Curve.of(label, rows, "score" if part == "training" else "validation_score")
