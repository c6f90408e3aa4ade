"""`netdsl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import data_override, device_option, run_argument, weights_option

if TYPE_CHECKING:
    from netdsl.trained.open_run import Which


@click.command(name="eval")
@run_argument
@weights_option
@click.option(
    "--data", metavar="KIND", help="Use other data: cifar10, cifar100, digits, folder:PATH, boxes:PATH."
)
@device_option
def evaluate(run: Path, weights: Which, data: str | None, device: str) -> None:
    """Evaluate a run on the test images: loss and accuracy."""
    from netdsl.trained.evaluate import evaluate_run

    other_data = None if data is None else data_override(data)
    with errors_shown():
        evaluate_run(run, weights, other_data, device)
