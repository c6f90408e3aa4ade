"""`netdsl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import data_override, device_option, run_argument, weights_option
from netdsl.commands.shared_tables import echo

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
    from rich.console import Console

    from netdsl.runtime.metrics import scores_text
    from netdsl.trained.evaluate import evaluate_run
    from netdsl.trained.open_run import open_run

    overrides = {} if data is None else {"data": data_override(data)}
    with errors_shown():
        opened = open_run(run, overrides)
        found = evaluate_run(opened, weights, device, Console())
    how = f"{found.images:,} images, {found.precision}"
    echo(f"{opened.network.name}, {found.which} weights: test {scores_text(found.scores)} ({how})")
