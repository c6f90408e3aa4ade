"""The results of commands that train several runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.shared_errors import INPUT_ERROR
from netdsl.commands.shared_tables import echo, percent, print_table

if TYPE_CHECKING:
    from netdsl.training.results import NetworkResult, Spread

COLUMNS = ("network", ">parameters", ">MACs", ">seeds", ">best validation", ">test", ">seconds a run")


def finish(folder: Path, results: list[NetworkResult]) -> None:
    """Prints the table of an experiment; ends the program with status 1 if a run failed."""
    show(folder, results)
    if any(result.failed for result in results):
        sys.exit(INPUT_ERROR)


def show(folder: Path, results: list[NetworkResult]) -> None:
    """Prints the table of an experiment and the errors of its failed runs."""
    echo()
    print_table(COLUMNS, [_row(result) for result in results])
    for run in (run for result in results for run in result.failed):
        echo(f"{run.folder} failed: {run.error}", err=True)
    echo(f"the experiment is in {folder}")


def _row(result: NetworkResult) -> list[str]:
    seeds = str(len(result.complete))
    if result.failed:
        seeds = f"{len(result.failed)} failed" if seeds == "0" else f"{seeds}, {len(result.failed)} failed"
    return [
        result.name,
        f"{result.parameters:,}",
        f"{result.macs:,}",
        seeds,
        _spread(result.validation),
        _spread(result.test),
        f"{result.seconds.mean:.1f}" if result.seconds else percent(None),
    ]


def _spread(accuracy: Spread | None) -> str:
    """Mean ± standard deviation, or a dash if there is none."""
    if accuracy is None:
        return percent(None)
    return f"{percent(accuracy.mean)} ± {percent(accuracy.deviation)}"
