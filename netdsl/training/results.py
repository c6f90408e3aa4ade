"""The results of an experiment, `experiment.json`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netdsl.network import CompiledNetwork
from netdsl.runtime import metrics, plot, report
from netdsl.runtime.metrics import METRICS
from netdsl.runtime.plot import Curve, Panel
from netdsl.runtime.storage import read_json, write_json
from netdsl.training.plan import Plan

RESULTS, PICTURE = "experiment.json", "curves.png"


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean of values, and their sample standard deviation (n - 1), which is None for a single value."""

    mean: float
    deviation: float | None

    @staticmethod
    def of(values: Sequence[float | None]) -> Spread | None:
        """None if there are no values, or one of them is None."""
        numbers = [value for value in values if value is not None]
        if not numbers or len(numbers) < len(values):
            return None
        return Spread(statistics.mean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run of an experiment: complete with its figures, failed with its `error`, or neither yet. Scores
    are from 0 to 1, of the best weights.
    """

    folder: str
    seed: int
    validation_score: float | None = None
    test_score: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def complete(self) -> bool:
        return self.test_score is not None


@dataclass(frozen=True, slots=True)
class NetworkResult:
    """A network's runs over its seeds. Spreads are over the complete runs."""

    name: str
    parameters: int
    macs: int
    runs: list[RunResult]

    @property
    def complete(self) -> list[RunResult]:
        return [run for run in self.runs if run.complete]

    @property
    def failed(self) -> list[RunResult]:
        return [run for run in self.runs if run.error is not None]

    @property
    def validation(self) -> Spread | None:
        return Spread.of([run.validation_score for run in self.complete])

    @property
    def test(self) -> Spread | None:
        return Spread.of([run.test_score for run in self.complete])

    @property
    def seconds(self) -> Spread | None:
        """The time of a run."""
        return Spread.of([run.seconds for run in self.complete])

    def to_json(self) -> dict[str, object]:
        spreads = {"validation": self.validation, "test": self.test, "seconds": self.seconds}
        return asdict(self) | {name: spread and asdict(spread) for name, spread in spreads.items()}


@dataclass(frozen=True, slots=True)
class _Results:
    networks: list[NetworkResult]


def collect(folder: Path, plan: Plan, failures: dict[str, str]) -> list[NetworkResult]:
    """The results of an experiment so far. `failures` are the errors of failed runs by their folders.

    Raises RunError if a report is damaged.
    """
    results = []
    for entry in plan.entries:
        network = CompiledNetwork(entry.compiled(entry.seeds[0]))
        runs = []
        for seed in entry.seeds:
            name = entry.folder(seed)
            done = None if name in failures else report.read(folder / name)
            if done is None:
                runs.append(RunResult(name, seed, error=failures.get(name)))
            else:
                runs.append(RunResult(name, seed, done.validation_score, done.test_score, done.seconds))
        results.append(NetworkResult(entry.name, network.parameters_count, network.macs, runs))
    return results


def write(folder: Path, results: list[NetworkResult]) -> None:
    """Raises RunError if the folder can't be written."""
    write_json(folder / RESULTS, {"networks": [result.to_json() for result in results]})


def read_failures(folder: Path) -> dict[str, str]:
    """The errors of an experiment's failed runs by their folders. Raises RunError."""
    found = read_json(folder / RESULTS, _Results, "remove it: it is written again from the runs") or _Results(
        []
    )
    runs = [run for network in found.networks for run in network.runs]
    return {run.folder: run.error for run in runs if run.error is not None}


def draw(folder: Path, results: list[NetworkResult]) -> None:
    """Draws the mean score of each network over the epochs, with bands of a standard deviation.

    It is that of the validation, or of the training if a network has no validation. Draws nothing
    without a complete run. Raises RunError.
    """
    rows = {
        result.name: [metrics.read(folder / run.folder) for run in result.complete]
        for result in results
        if result.complete
    }
    if not rows:
        return
    every = [row for runs in rows.values() for run in runs for row in run]
    validated = all(row.validation_score is not None for row in every)
    curves = []
    for name, runs in rows.items():
        spreads = [
            Spread.of([row.validation_score if validated else row.score for row in epoch])
            for epoch in zip(*runs, strict=True)
        ]
        known = [spread for spread in spreads if spread is not None]
        means = [spread.mean for spread in known]
        deviations = [spread.deviation or 0.0 for spread in known] if len(runs) > 1 else []
        label = f"{name}, {len(runs)} seeds" if len(runs) > 1 else name
        curves.append(Curve(label, [row.epoch for row in runs[0]], means, deviations))
    part, kinds = "validation" if validated else "training", {METRICS[row.metric] for row in every}
    plot.draw([[Panel(curves, f"{part} {', '.join(sorted(kinds))}")]], folder / PICTURE)
