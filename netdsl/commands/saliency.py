"""`netdsl saliency`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import (
    device_option,
    images_argument,
    picture_option,
    seed_option,
    weights_option,
)
from netdsl.commands.shared_output_paths import require_outputs
from netdsl.commands.shared_tables import (
    Align,
    answer_record,
    format_option,
    percent,
    print_json,
    print_table,
    print_written,
    printable,
)

if TYPE_CHECKING:
    from netdsl.inspect.sheets.maps import Explained, Method
    from netdsl.trained.open_run import Which

METHODS = ("simple", "smooth-grad", "grad-cam", "integrated-gradients", "occlusion")
COLUMNS: list[tuple[str, Align]] = [
    ("image", "left"),
    ("label", "left"),
    ("predicted", "left"),
    ("", "right"),
    ("explained", "left"),
    ("", "right"),
]


def _one(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> str | None:
    """The only one: click would take the last, and `dream` takes several."""
    if len(names) > 1:
        raise click.BadParameter("one class is explained in a picture: give --class once")
    return names[0] if names else None


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@images_argument
@picture_option
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHODS),
    default=["simple"],
    show_default=True,
    help="A map of this kind; may be given several times. The last two need captum.",
)
@click.option("--layer", metavar="LAYER", help="grad-cam: the feature map.  [default: the last]")
@click.option(
    "--class",
    "wanted",
    multiple=True,
    callback=_one,
    metavar="CLASS",
    help="Explain the score of this class.",
)
@click.option("--predicted", is_flag=True, help="Explain what is predicted, where the label is known too.")
@click.option("--maps-only", is_flag=True, help="Draw no images, only the maps.")
@seed_option("smooth-grad: of the noise.")
@weights_option
@device_option
@format_option
def saliency(
    run: Path,
    images: tuple[str, ...],
    output: Path,
    methods: tuple[Method, ...],
    layer: str | None,
    wanted: str | None,
    predicted: bool,
    maps_only: bool,
    seed: int,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Draw which pixels the score of a class depends on.

    The class is the image's label where it is known (images of the test set, files in a folder with the
    name of a class), else the predicted one. An IMAGE is a file or a folder of files.
    """
    if layer is not None and "grad-cam" not in methods:
        raise click.UsageError("--layer is for --method grad-cam")
    if wanted is not None and predicted:
        raise click.UsageError("--class and --predicted are two answers to one question")

    from rich.console import Console

    from netdsl.inspect.opening import of_run
    from netdsl.inspect.pictures import read, require_class
    from netdsl.inspect.sheets.maps import Look, choose, write_maps
    from netdsl.runtime.plot import require_format
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run

    with errors_shown():
        require_format(output)
        require_outputs([output], images)
        opened, console = open_run(run), Console(stderr=True)
        model = of_run(opened, weights, choose_device(device))
        number = None if wanted is None else require_class(wanted, model.classes)
        explained = choose(model, read(images, opened, weights, console), number, predicted)
        write_maps(model, explained, Look(methods, layer, seed, maps_only), output, console)
    if form == "json":
        print_json([_record(image, model.classes) for image in explained])
    else:
        print_table(COLUMNS, [_row(image, model.classes) for image in explained])
        print_written(output)


def _row(image: Explained, classes: Sequence[str]) -> list[str]:
    label = image.picture.label
    cells = [printable(image.picture.name), "–" if label is None else printable(classes[label])]
    for number in (image.predicted, image.number):
        cells += [printable(classes[number]), percent(float(image.probabilities[number]))]
    return cells


def _record(image: Explained, classes: Sequence[str]) -> dict[str, object]:
    label = image.picture.label
    answers = {
        name: answer_record(classes[number], float(image.probabilities[number]))
        for name, number in (("predicted", image.predicted), ("explained", image.number))
    }
    return {"image": image.picture.name, "label": None if label is None else classes[label], **answers}
