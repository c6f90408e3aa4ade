"""`netdsl plot` and `netdsl compare`: runs side by side."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.completion import complete_runs
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_tables import (
    Align,
    format_option,
    percent,
    print_json,
    print_table,
    print_written,
    printable,
)

if TYPE_CHECKING:
    from netdsl.trained.compare import Summary

COLUMNS: list[tuple[str, Align]] = [
    ("run", "left"),
    ("network", "left"),
    ("parameters", "right"),
    ("MACs", "right"),
    ("epochs", "right"),
    ("validation", "right"),
    ("test", "right"),
    ("time", "right"),
]


def _png(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() != ".png":
        raise click.BadParameter("the picture is a .png file")
    return value


_runs_argument = click.argument(
    "runs",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="RUN...",
    shell_complete=complete_runs,
)


@click.command()
@_runs_argument
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), callback=_png, help="A .png file."
)
def plot(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the validation accuracy of runs in one picture."""
    from netdsl.runtime.plot import compare

    with errors_shown():
        compare(runs, output)
    print_written(output)


@click.command()
@_runs_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=_png,
    help="A .png file: draw the validation accuracies too.",
)
@format_option
def compare(runs: tuple[Path, ...], output: Path | None, form: str) -> None:
    """Size, accuracy and time of runs, the best validation accuracy first.

    A dash stands for what a run doesn't have: a test accuracy where it was interrupted.
    """
    from netdsl.runtime import plot
    from netdsl.trained.compare import compare

    with errors_shown():
        summaries = compare(runs)
        if output:
            plot.compare([summary.run for summary in summaries], output)
    if form == "json":
        print_json([_record(summary) for summary in summaries])
    else:
        print_table(COLUMNS, [_row(summary) for summary in summaries])
    if output:
        click.echo(f"wrote {printable(output)}", err=form == "json")


def _row(summary: Summary) -> list[str]:
    return [
        printable(summary.run),
        printable(summary.network),
        f"{summary.parameters:,}",
        f"{summary.macs:,}",
        f"{summary.epochs:.4g}",
        percent(summary.validation_accuracy),
        percent(summary.test_accuracy),
        str(timedelta(seconds=round(summary.seconds))),
    ]


def _record(summary: Summary) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(summary), "run": str(summary.run)}
