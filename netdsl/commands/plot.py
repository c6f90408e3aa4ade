"""`netdsl plot`."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import runs_argument
from netdsl.commands.shared_outputs import output_option, print_written


@click.command()
@runs_argument
@output_option("Write this .png file.", ".png")
def plot(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the validation accuracy of runs in one picture."""
    from netdsl.runtime.plot import compare

    with errors_shown():
        compare(runs, output)
    print_written(output)
