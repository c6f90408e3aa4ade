"""`netdsl lesson`: experiments of a course, ready to run."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_experiments import show
from netdsl.commands.shared_options import data_override, device_option
from netdsl.commands.shared_tables import printable


@click.group()
def lesson() -> None:
    """Experiments of a course, ready to run."""


@lesson.command(name="batch-norm")
@click.option("--data", metavar="KIND", help="cifar10, cifar100, digits, or folder:PATH.")
@click.option("--images", metavar="N", help="So many are trained on.  [default: 500]")
@click.option("--epochs", metavar="N", help="How often each is seen.  [default: 15]")
@click.option("--validation", metavar="N", help="Images for validation.  [default: 1,000, at most a tenth]")
@click.option("--seed", metavar="N")
@click.option(
    "--run", type=click.Path(path_type=Path), help="The folder.  [default: runs/batch-norm, numbered]"
)
@device_option
def batch_norm(data: str | None, run: Path | None, device: str, **options: str | None) -> None:
    """Train with and without batch norm at three learning rates, and draw one picture.

    A training that diverges is part of the lesson: the exit status is 0.
    """
    overrides = {key: value for key, value in options.items() if value is not None}
    if data is not None:
        overrides["data"] = data_override(data)

    from netdsl.runtime.speed import SpeedRequest
    from netdsl.training.lesson import PICTURE, batch_norm_lesson

    with errors_shown():
        folder, results = batch_norm_lesson(run, overrides, SpeedRequest(device=device))
        show(folder, results)
    click.echo(f"wrote {printable(folder / PICTURE)}")
