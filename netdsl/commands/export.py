"""`netdsl export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import PATH, counted, run_argument, weights_option
from netdsl.commands.shared_tables import echo

if TYPE_CHECKING:
    from netdsl.trained.open_run import Which


@click.command()
@run_argument
@click.option("--onnx", "output", required=True, type=PATH, help="Write this .onnx file.")
@weights_option
@click.option("--opset", type=counted(), help="Version of ONNX's operators.  [default: torch's]")
def export(run: Path, output: Path, weights: Which, opset: int | None) -> None:
    """Export a trained network to ONNX, and check the result.

    The file is run by onnxruntime and compared with PyTorch. Its input `images` is a batch of any size,
    float32 from 0 to 1; its output is `logits`, or what the file names. Of a detector the outputs are
    `boxes` (left, top, right, bottom in pixels) and their `scores` by class, before non-maximum suppression.
    The normalisation is included, and the metadata holds the names of the classes.
    """
    from rich.console import Console

    from netdsl.trained.export import export
    from netdsl.trained.open_run import open_run

    with errors_shown():
        done = export(open_run(run), weights, output, opset, Console())
    compared = f"differs from torch by {done.difference:.1e} of the largest number at most"
    echo(f"wrote {output}: opset {done.opset}; {compared}, on {done.images} images")
