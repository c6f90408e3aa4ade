"""Shared by the commands that inspect a trained network: the run, its options, and printed results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.commands.shared_help import F
from netdsl.commands.shared_options import device_option, finite, weights_option
from netdsl.commands.shared_tables import (
    Align,
    answer_record,
    format_option,
    percent,
    print_json,
    print_table,
    print_written,
)

if TYPE_CHECKING:
    from netdsl.inspect.inspected_run import InspectedRun
    from netdsl.inspect.sheets.captions import Answer
    from netdsl.trained.open_run import Which

T = TypeVar("T")

run_argument = click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)


def inspect_options(command: F) -> F:
    """The last options of each command: --weights, --device and --format."""
    return weights_option(device_option(format_option(command)))


def real_option(name: str, low: float, high: float | None = None, **options: object) -> Callable[[F], F]:
    """An option for a finite number of a range."""
    kind = click.FloatRange(low, high, min_open=bool(options.pop("min_open", False)))
    return click.option(name, type=kind, callback=finite, show_default=True, **options)  # type: ignore[arg-type]


def open_inspected(run: Path, weights: Which, device: str) -> InspectedRun:
    """The run in a folder, opened. Raises RunError and NetworkError."""
    from netdsl.inspect.inspected_run import InspectedRun

    return InspectedRun.open(run, weights, device)


def print_results(
    form: str,
    results: Sequence[T],
    columns: Sequence[tuple[str, Align]],
    row: Callable[[T], Sequence[str]],
    record: Callable[[T], object],
    *written: Path,
) -> None:
    """Prints results as JSON, or as a table followed by the names of the written files."""
    if form == "json":
        print_json([record(result) for result in results])
    else:
        print_table(columns, [row(result) for result in results])
        print_written(*written)


def answer_cells(answer: Answer) -> list[str]:
    """A predicted class and its probability, in two columns of a table."""
    return [answer.name, percent(answer.probability)]


def answer_records(**answers: Answer) -> dict[str, object]:
    """Predicted classes and their probabilities in JSON, by name."""
    return {name: answer_record(*answer) for name, answer in answers.items()}
