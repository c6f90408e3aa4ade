"""`netdsl export`: weights for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import counted, weights_option
from netdsl.commands.shared_tables import printable

if TYPE_CHECKING:
    from netdsl.trained.open_run import Which


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@click.option("--onnx", "output", required=True, type=click.Path(path_type=Path), help="An .onnx file.")
@weights_option
@click.option("--opset", type=counted(), help="ONNX's version.  [default: torch's]")
def export(run: Path, output: Path, weights: Which, opset: int | None) -> None:
    """Write a trained network for other programs, and compare what it computes with torch.

    It takes `images`, any number of them, float32 from 0 to 1, and gives `logits`; the normalisation is
    part of it, the names of the classes are in its metadata.
    """
    from rich.console import Console

    from netdsl.trained.export import export
    from netdsl.trained.open_run import open_run

    with errors_shown():
        done = export(open_run(run), weights, output, opset, Console())
    compared = f"differs from torch by {done.difference:.1e} of the largest logit at most"
    click.echo(f"wrote {printable(output)}: opset {done.opset}; {compared}, on {done.images} images")
