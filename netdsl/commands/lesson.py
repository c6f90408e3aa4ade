"""`netdsl lesson`: experiments of a course."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_experiments import show
from netdsl.commands.shared_help import CommandGroup
from netdsl.commands.shared_options import PATH, data_override, device_option
from netdsl.commands.shared_tables import echo


@click.group(cls=CommandGroup)
def lesson() -> None:
    """Run an experiment of a course."""


@click.command(name="batch-norm")
@click.option("--data", metavar="KIND", help="cifar10, cifar100, digits, or folder:PATH.")
@click.option("--images", metavar="N", help="Number of training images.  [default: 500]")
@click.option("--epochs", metavar="N", help="Passes over the training images.  [default: 15]")
@click.option(
    "--validation", metavar="N", help="Number of validation images.  [default: 1,000, at most a tenth]"
)
@click.option("--seed", metavar="N", help="Seed of all random numbers.")
@click.option("--run", type=PATH, help="Folder of the experiment.  [default: runs/batch-norm]")
@device_option
def batch_norm(data: str | None, run: Path | None, device: str, **options: str | None) -> None:
    """Train with and without batch norm at three learning rates.

    Draws all curves into one picture. The exit status is 0 even if a run diverges, as some should.
    """
    overrides = {key: value for key, value in options.items() if value is not None}
    if data is not None:
        overrides["data"] = data_override(data)

    from netdsl.runtime.speed import SpeedRequest
    from netdsl.training.lesson import PICTURE, batch_norm_lesson, draw

    with errors_shown():
        folder, results = batch_norm_lesson(run, overrides, SpeedRequest(device=device))
        show(folder, results)
        draw(folder, results)  # after the results, which need no picture
    echo(f"wrote {folder / PICTURE}")


lesson.add_commands("Lessons", batch_norm)
