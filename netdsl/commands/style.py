"""`netdsl style`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.base.named_tuple import NamedTuple
from netdsl.commands.shared_completion import complete_networks, complete_runs
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_inspect import print_results, real_option
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import (
    PATH,
    counted,
    device_option,
    pairs,
    seed_option,
    setting_options,
)
from netdsl.commands.shared_outputs import OutputPath, output_option, require_outputs
from netdsl.commands.shared_tables import format_option

if TYPE_CHECKING:
    import torch

    from netdsl.inspect import Inspected, StyleLayers
    from netdsl.inspect.transfer import Transferred

# The formats of the result.
FORMATS = (".png", ".jpg", ".jpeg", ".bmp", ".tiff")
COLUMNS = ("loss", "layer", ">at the start", ">at the end")


class Row(NamedTuple):
    """A loss before the first step and after the last one."""

    loss: str
    layer: str | None
    start: float
    end: float

    def cells(self) -> list[str]:
        return [self.loss, self.layer or "", f"{self.start:.4f}", f"{self.end:.4f}"]


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",")) if value is not None else ()
    if not all(names):
        raise click.BadParameter(f"`{value}` has an empty layer name: write `stage1,stage2`")
    return tuple(dict.fromkeys(names))


@click.command()
@click.argument("content", type=PATH)
@click.argument("style", type=PATH)
@output_option(f"The result; its suffix is its format ({', '.join(FORMATS)}).", *FORMATS, metavar="IMAGE")
@click.option(
    "--run", type=PATH, metavar="RUN", shell_complete=complete_runs, help="Use the network of a run."
)
@click.option(
    "--network",
    metavar="NAME",
    shell_complete=complete_networks,
    help="Use a network that comes with netdsl, or a .net file; needs --weights.",
)
@click.option(
    "--weights", type=PATH, metavar="FILE", help="The weights for --network, as for import-weights."
)
@setting_options
@click.option(
    "--content-layer",
    metavar="LAYER",
    help="The layer that content is compared in.  [default: in the middle]",
)
@click.option(
    "--style-layers",
    metavar="LAYER,LAYER",
    callback=_names,
    help="The layers that style is compared in.  [default: one at each resolution]",
)
@real_option("--content-weight", 0, default=1, help="Weight of the distance from the content.")
@real_option("--style-weight", 0, default=100, help="Weight of the distance from the style.")
@real_option(
    "--tv-weight", 0, default=10, help="Weight of the differences of neighbouring pixels: more is smoother."
)
@click.option(
    "--size", type=click.IntRange(8, 4096), default=256, help="The longer side of both images, in pixels."
)
@click.option("--steps", type=counted(), default=200, help="Steps of gradient descent.")
@real_option(
    "--noise", 0, 1, default=0.3, help="The share of noise in the starting image; the rest is content."
)
@seed_option("For the noise.")
@click.option(
    "--sheet", type=OutputPath(), metavar="PICTURE", help="Also draw content, style and result side by side."
)
@device_option
@format_option
def style(
    content: Path,
    style: Path,
    output: Path,
    run: Path | None,
    network: str | None,
    weights: Path | None,
    settings: tuple[str, ...],
    shape: str | None,
    content_layer: str | None,
    style_layers: tuple[str, ...],
    content_weight: float,
    style_weight: float,
    tv_weight: float,
    size: int,
    steps: int,
    noise: float,
    seed: int,
    sheet: Path | None,
    device: str,
    form: str,
) -> None:
    """Paint the content of one image in the style of another.

    The features are those of a --run, or of a --network with --weights of another program, such as
    torchvision's VGG: --network vgg --set depth=19 --weights vgg19.pth
    """
    _require_one_network(run, network, weights, bool(settings or shape))

    import torch
    from rich.console import Console

    from netdsl.inspect import LossWeights, transfer
    from netdsl.inspect.pictures import read_scaled, write_image
    from netdsl.inspect.sheets.captions import fitting
    from netdsl.inspect.sheets.panels import Panel, write_sheet
    from netdsl.runtime.console import progress
    from netdsl.runtime.plot import require_format
    from netdsl.runtime.speed import choose_device

    with errors_shown():
        if sheet is not None:
            require_format(sheet)
        require_outputs([*filter(None, (output, sheet))], [content, style])
        place = choose_device(device)
        model = _opened(run, network, weights, pairs(settings, shape), place)
        layers = _layers(model, content_layer, style_layers)
        channels = model.network.input_shape[0]
        of_content, of_style = (read_scaled(file, channels, size).to(place) for file in (content, style))
        with progress("painting", steps, Console(stderr=True)) as advance:
            done = transfer(
                model,
                of_content,
                of_style,
                layers,
                LossWeights(content_weight, style_weight, tv_weight),
                steps=steps,
                noise=noise,
                generator=torch.Generator().manual_seed(seed),
                after_step=advance,
            )
        write_image(done.images[0], output)
        if sheet is not None:
            panels = [
                Panel(image[0], fitting(name, before=f"{what}: "))
                for what, name, image in (
                    ("content", content.name, of_content),
                    ("style", style.name, of_style),
                    ("result", model.network.name, done.images),
                )
            ]
            write_sheet([panels], sheet)
    written = [output] if sheet is None else [output, sheet]
    print_results(form, list(_rows(layers, done)), COLUMNS, Row.cells, Row._asdict, *written)


def _require_one_network(run: Path | None, network: str | None, weights: Path | None, settings: bool) -> None:
    if run is not None and (network is not None or weights is not None):
        raise click.UsageError("--run has a network and weights: remove --network and --weights")
    if run is not None and settings:
        raise click.UsageError("--set and --input are for --network: remove them")
    if run is None and network is None and weights is None:
        raise click.UsageError("no network: add --run RUN, or --network NAME --weights FILE")
    if run is None and (network is None or weights is None):
        missing = "--network NAME" if network is None else "--weights FILE"
        raise click.UsageError(f"--network and --weights go together: add {missing}")


def _opened(
    run: Path | None,
    network: str | None,
    weights: Path | None,
    settings: dict[str, str],
    device: torch.device,
) -> Inspected:
    from netdsl.inspect import open_run, open_weights
    from netdsl.inspect.pictures import require_images
    from netdsl.network import CompiledNetwork

    if run is not None:
        model = open_run(run, device=str(device))
    else:
        assert network is not None and weights is not None
        model = open_weights(CompiledNetwork(compiled_network(network, settings, {})), weights, str(device))
    require_images(model.network)
    return model


def _layers(model: Inspected, content: str | None, style: tuple[str, ...]) -> StyleLayers:
    """The named layers, or the default ones."""
    from netdsl.inspect import StyleLayers, find, style_layers

    for name in (*style,) if content is None else (content, *style):
        find(model, name)
    if content is not None and style:
        return StyleLayers(content, style)
    chosen = style_layers(model.named)
    return StyleLayers(chosen.content if content is None else content, style or chosen.style)


def _rows(layers: StyleLayers, done: Transferred) -> Iterator[Row]:
    start, end = done.losses[0], done.losses[-1]
    yield Row("content", layers.content, float(start.content), float(end.content))
    for number, layer in enumerate(layers.style):
        yield Row("style", layer, float(start.style[0, number]), float(end.style[0, number]))
    yield Row("total variation", None, float(start.variation), float(end.variation))
