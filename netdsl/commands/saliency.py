"""`netdsl saliency`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_inspect import (
    answer_cells,
    answer_records,
    inspect_options,
    inspecting,
    print_results,
)
from netdsl.commands.shared_options import images_argument, run_argument, seed_option
from netdsl.commands.shared_outputs import picture_option

if TYPE_CHECKING:
    from netdsl.inspect.sheets.maps import Explained, Method
    from netdsl.trained.open_run import Which

METHODS = ("simple", "smooth-grad", "grad-cam", "integrated-gradients", "occlusion")
COLUMNS = ("image", "label", "predicted", ">", "explained", ">")


def _one(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> str | None:
    """The only class: click would silently take the last one."""
    if len(names) > 1:
        raise click.BadParameter("a picture explains one class: give --class once")
    return names[0] if names else None


def _position(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6}),([0-9]{1,6})", text)
    if match is None:
        raise click.BadParameter(f"`{text}` is no row and column: write `40,25`")
    return int(match[1]), int(match[2])


@click.command()
@run_argument
@images_argument
@picture_option
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHODS),
    default=["simple"],
    help="The kind of map; may be given several times. The last two need captum.",
)
@click.option("--layer", metavar="LAYER", help="grad-cam: the layer of the feature map.  [default: the last]")
@click.option(
    "--class",
    "wanted",
    multiple=True,
    callback=_one,
    metavar="CLASS",
    help="Explain the score of this class.",
)
@click.option("--predicted", is_flag=True, help="Explain the predicted class, even if the label is known.")
@click.option(
    "--box",
    "rank",
    type=click.IntRange(0),
    metavar="N",
    help="Explain a detector's box number N, of the class if given.  [default: 0, the surest]",
)
@click.option(
    "--position",
    metavar="ROW,COLUMN",
    callback=_position,
    help="Of a network with a class for each pixel: explain the class of this pixel of its input.",
)
@click.option("--maps-only", is_flag=True, help="Draw only the maps, not the images.")
@seed_option("smooth-grad: for the noise.")
@inspect_options
def saliency(
    run: Path,
    images: tuple[str, ...],
    output: Path,
    methods: tuple[Method, ...],
    layer: str | None,
    wanted: str | None,
    predicted: bool,
    rank: int | None,
    position: tuple[int, int] | None,
    maps_only: bool,
    seed: int,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Draw which pixels the score of a class depends on.

    The class is the image's label if known (images of the test set, files in a folder named after a class),
    else the predicted class. Of a detector, the score of a box is explained; of a network with a class for
    each pixel, the share of a class, or its probability at one pixel. An IMAGE is a file or a folder of
    files.
    """
    if layer is not None and "grad-cam" not in methods:
        raise click.UsageError("--layer is for --method grad-cam")
    if wanted is not None and predicted:
        raise click.UsageError("--class and --predicted exclude each other: remove one")

    from netdsl.inspect.pictures import read
    from netdsl.inspect.sheets.maps import Look, choose, choose_boxes, write_maps

    with inspecting([run], weights, device, [output], images, places=True) as (inspected,):
        number = None if wanted is None else inspected.class_numbers([wanted])[0]
        pictures, boxes = read(images, inspected), inspected.boxes
        if boxes is not None:
            explained = choose_boxes(boxes, pictures, inspected.classes, number, rank or 0)
        elif rank is not None:
            raise click.UsageError("--box is for detectors, and the network is none")
        else:
            if position is not None:
                if inspected.pixels is None:
                    raise click.UsageError("--position is for networks with a class for each pixel")
                inspected.pixels.choose(*position)
            explained = choose(inspected, pictures, number, predicted)
        write_maps(inspected, explained, Look(methods, layer, seed, maps_only), output)
    print_results(form, explained, COLUMNS, _row, _record, output)


def _row(image: Explained) -> list[str]:
    label = "–" if image.label is None else image.label
    answers = answer_cells(image.predicted) + answer_cells(image.explained)
    return [image.picture.name, label, *answers]


def _record(image: Explained) -> dict[str, object]:
    answers = answer_records(predicted=image.predicted, explained=image.explained)
    box = {} if image.box is None else {"box": image.box.corners.tolist()}
    return {"image": image.picture.name, "label": image.label, **answers, **box}
