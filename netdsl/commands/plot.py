"""`netdsl plot`."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import png_file, runs_argument
from netdsl.commands.shared_tables import print_written


@click.command()
@runs_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    callback=png_file,
    help="Write this .png file.",
)
def plot(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the validation accuracy of runs in one picture."""
    from netdsl.runtime.plot import compare

    with errors_shown():
        compare(runs, output)
    print_written(output)
