"""`netdsl plot`: several runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.errors import errors_shown


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .png file.")
def plot(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the validation accuracy of runs in one picture."""
    if output.suffix.lower() != ".png":
        raise click.BadParameter("the picture is a .png file", param_hint="-o")

    from netdsl.runtime.plot import compare

    with errors_shown():
        compare(runs, output)
    click.echo(f"wrote {output}")
