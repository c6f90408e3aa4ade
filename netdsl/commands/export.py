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
@click.option("--onnx", type=PATH, help="Write this .onnx file.")
@click.option("--pt2", type=PATH, help="Write this .pt2 file of torch.export.")
@click.option("--torchscript", type=PATH, help="Write this .pt file of TorchScript.")
@weights_option
@click.option("--opset", type=counted(), help="Version of ONNX's operators.  [default: torch's]")
def export(
    run: Path,
    onnx: Path | None,
    pt2: Path | None,
    torchscript: Path | None,
    weights: Which,
    opset: int | None,
) -> None:
    """Export a trained network to ONNX or torch, and check it.

    The file is run, by onnxruntime or torch, and compared with the run. Its input `images` is a batch of any
    size, float32 from 0 to 1; its output is `logits`, or what the file names. Of a detector the outputs are
    `boxes` (left, top, right, bottom in pixels) and their `scores` by class, before non-maximum suppression.
    The normalisation is included, and the metadata holds the names of the classes.
    """
    from rich.console import Console

    from netdsl.trained.export import Format, export
    from netdsl.trained.open_run import open_run

    formats: dict[Format, Path | None] = {"onnx": onnx, "pt2": pt2, "torchscript": torchscript}
    given = [(form, file) for form, file in formats.items() if file is not None]
    if not given:
        raise click.UsageError("name the file to write: `--onnx FILE`, `--pt2 FILE` or `--torchscript FILE`")
    if opset is not None and onnx is None:
        raise click.UsageError("`--opset` is for `--onnx`")
    for form, output in given:
        with errors_shown():
            done = export(open_run(run), weights, output, form, opset, Console())
        compared = f"differs from torch by {done.difference:.1e} of the largest number at most"
        echo(f"wrote {output}: {done.version}; {compared}, on {done.images} images")
