"""`netdsl graph`."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import pairs, setting_options
from netdsl.commands.shared_outputs import output_option, print_written, write_file


@click.command()
@click.argument("file", metavar="FILE", shell_complete=complete_networks)
@output_option("Write this .svg, .png or .html file.", ".svg", ".png", ".html")
@setting_options
def graph(file: str, output: Path, settings: tuple[str, ...], shape: str | None) -> None:
    """Draw a network as SVG, PNG or HTML.

    Shows the parts with the shapes between them, and each kind of block once. In HTML, and in an SVG in a
    browser, hovering over a part shows its source line, shapes and size.
    """
    network = compiled_network(file, pairs(settings, shape), {}).network
    assert network is not None

    from netdsl.graph.render_picture import TooLarge, render_picture

    try:
        write_file(output, render_picture(network, output.suffix.lower()))
    except TooLarge as error:
        fail(str(error), "copies are drawn once: write `stage b(16, repeat=5)`, or `repeat 5 { … }`")
    print_written(output)
