"""`netdsl import-weights`: weights from elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import pairs, setting_options


@click.command(name="import-weights")
@click.argument("file", shell_complete=complete_networks)
@click.option("--from", "weights", required=True, type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .safetensors file.")
@setting_options
def import_weights(
    file: str, weights: Path, output: Path, settings: tuple[str, ...], shape: str | None
) -> None:
    """Take over the weights of another implementation (.safetensors, .pth, .pt) for the module style.

    Matched by name where the names are equal, else by position, and only if every shape fits.
    """
    if output.suffix.lower() != ".safetensors":
        raise click.BadParameter("the weights become a .safetensors file", param_hint="-o")
    compiled = compiled_network(file, pairs(settings, shape), {})

    from netdsl.api import Network
    from netdsl.trained.import_weights import import_weights

    with errors_shown():
        click.echo(import_weights(Network(compiled), weights, output))
