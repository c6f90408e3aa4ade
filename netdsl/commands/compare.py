"""`netdsl compare`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import runs_argument
from netdsl.commands.shared_outputs import output_option, print_written
from netdsl.commands.shared_tables import format_option, percent, print_json, print_table

if TYPE_CHECKING:
    from netdsl.trained.compare import Summary

COLUMNS = ("run", "network", ">parameters", ">MACs", ">epochs", ">validation", ">test", ">time")


@click.command()
@runs_argument
@output_option("Also draw the validation accuracy into this .png file.", ".png", required=False)
@format_option
def compare(runs: tuple[Path, ...], output: Path | None, form: str) -> None:
    """Compare runs: size, accuracy and time.

    Sorted by validation accuracy. A dash is a missing value: the test accuracy of an interrupted run.
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
        print_written(output, err=form == "json")


def _row(summary: Summary) -> list[str]:
    return [
        str(summary.run),
        summary.network,
        f"{summary.parameters:,}",
        f"{summary.macs:,}",
        f"{summary.epochs:.4g}",
        percent(summary.validation_score),
        percent(summary.test_score),
        str(timedelta(seconds=round(summary.seconds))),
    ]


def _record(summary: Summary) -> dict[str, object]:
    from dataclasses import asdict

    values = asdict(summary)
    metric = values.pop("metric")
    scores = {f"{part}_{metric}": values.pop(f"{part}_score") for part in ("validation", "test")}
    return {**values, **scores, "run": str(summary.run)}
