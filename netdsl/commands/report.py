"""`netdsl report`."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import device_option, run_argument
from netdsl.commands.shared_outputs import output_option, print_written, require_outputs
from netdsl.commands.shared_tables import echo


@click.command()
@run_argument
@output_option("Write this .html file.  [default: RUN/report.html]", ".html", required=False)
@device_option
def report(run: Path, output: Path | None, device: str) -> None:
    """Write an HTML page of a run, with curves and mistakes.

    The page needs no other file, and has no scripts. It also has the confusion matrix, the first batch after
    augmentation, the recipe, and how the run was computed. Without the run's data it has no such images.
    """
    from rich.console import Console

    from netdsl.inspect.run_report import PAGE, write_report

    page = output or run / PAGE
    with errors_shown():
        require_outputs([page])
        missing = write_report(run, page, device, Console(stderr=True))
    for reason in missing:
        echo(f"without what is computed from images: {reason}", err=True)
    print_written(page)
