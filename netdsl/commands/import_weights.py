"""`netdsl import-weights`."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import PATH, pairs, setting_options
from netdsl.commands.shared_outputs import output_option
from netdsl.commands.shared_tables import echo


@click.command(name="import-weights")
@click.argument("file", shell_complete=complete_networks)
@click.option(
    "--from", "weights", required=True, type=PATH, metavar="WEIGHTS", help="The weights to convert."
)
@output_option("Write this .safetensors file.", ".safetensors")
@setting_options
def import_weights(
    file: str, weights: Path, output: Path, settings: tuple[str, ...], shape: str | None
) -> None:
    """Convert weights of another implementation for a network.

    WEIGHTS is a file of safetensors or of torch.save (.pth, .pt, .bin, .ckpt, .pth.tar): a state dict, or
    a checkpoint with one; the result is for the code of the module style. Tensors are matched by name if
    the names are equal, else by position, and only if every shape fits.
    """
    compiled = compiled_network(file, pairs(settings, shape), {})

    from netdsl.network import CompiledNetwork
    from netdsl.trained.import_weights import import_weights

    with errors_shown():
        echo(import_weights(CompiledNetwork(compiled), weights, output))
