"""`netdsl features`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import click

from netdsl.commands.shared_inspect import inspect_options, inspecting
from netdsl.commands.shared_options import counted, run_argument, seed_option
from netdsl.commands.shared_outputs import OutputPath, print_written
from netdsl.commands.shared_tables import (
    answer_record,
    echo,
    percent,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from torch import Tensor

    from netdsl.inspect.sheets.album import Album, Method
    from netdsl.trained.open_run import Which

# The pictures in the order in which they are made. Activation maps need an image.
Part: TypeAlias = Literal["filters", "activations", "embedding", "confusion", "mistakes"]
PARTS: tuple[Part, ...] = get_args(Part)

COLUMNS = ("class", ">images", ">accuracy", "most often taken for")
# The number of wrong classes named for each class.
_NAMED = 3


@click.command()
@run_argument
@click.argument("images", nargs=-1, type=str, metavar="[IMAGE|test:N...]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputPath(file=False, folder=True),
    metavar="FOLDER",
    help="The folder for the pictures; created if missing.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PARTS),
    help="Draw only this picture; may be given several times.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="LAYER",
    help="A layer whose activation maps are drawn, such as stage2 or stage2.block1.conv1; may be given "
    "several times.  [default: stem and stages]",
)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="pca",
    help="The projection of the head's input to the plane.",
)
@click.option(
    "--images",
    "count",
    type=counted(2),
    default=2000,
    help="The number of points, spread evenly over all test images.",
)
@seed_option("For tsne.")
@inspect_options
def features(
    run: Path,
    images: tuple[str, ...],
    output: Path,
    only: tuple[Part, ...],
    layers: tuple[str, ...],
    method: Method,
    count: int,
    seed: int,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Draw filters, activations, an embedding and mistakes.

    Draws into FOLDER: filters.png, the filters of the first layer; embedding.png, the head's input for the
    test images; confusion.png, the confusion matrix; mistakes.png, the most confident mistakes. With an
    IMAGE also activations-LAYER.png, the activation maps of layers.
    """
    parts = [part for part in PARTS if part in (only or PARTS) and (part != "activations" or images)]
    if not images and ("activations" in only or layers):
        raise click.UsageError("activation maps need an IMAGE: name one, such as test:0")
    if images and "activations" not in parts:
        raise click.UsageError(
            "only activation maps take an IMAGE: remove it and --layer, or add --only activations"
        )

    from netdsl.inspect.features import NothingToSee
    from netdsl.inspect.pictures import read
    from netdsl.inspect.sheets.album import MOST_IMAGES, Album

    missing: list[str] = []
    counted_classes = form == "json" or not {"confusion", "mistakes"}.isdisjoint(parts)
    outputs = [output / f"{part}.png" for part in parts]
    with inspecting([run], weights, device, outputs, images) as (inspected,):
        album = Album(inspected)
        pictures = read(images, inspected, MOST_IMAGES)
        add: dict[Part, Callable[[], None]] = {
            "filters": album.add_filters,
            "activations": lambda: album.add_activations(pictures, layers),
            "embedding": lambda: album.add_embedding(method, count, seed),
            "confusion": album.add_confusion,
            "mistakes": album.add_mistakes,
        }
        for part in parts:
            try:
                add[part]()
            except NothingToSee as error:
                if only:
                    raise
                missing.append(f"no {part}.png: {error}")
        counts = album.confusion if counted_classes else None
        written = album.write(output)
    if form == "json":
        print_json(_record(album))
    elif counts is not None:
        echo(f"accuracy {percent(album.accuracy)}, {int(counts.sum()):,} test images")
        print_table(COLUMNS, _rows(counts, album.classes))
    for line in missing:
        echo(line, err=True)
    if form == "text":
        print_written(*written)


def _rows(counts: Tensor, classes: Sequence[str]) -> list[list[str]]:
    """A row for each class: its accuracy, and the classes most often predicted instead."""
    rows = []
    for number, (name, row) in enumerate(zip(classes, counts.tolist(), strict=True)):
        images = sum(row)
        wrong = sorted((-count, other) for other, count in enumerate(row) if count and other != number)
        named = [f"{classes[other]} {-count / images:.1%}" for count, other in wrong[:_NAMED]]
        accuracy = percent(row[number] / images if images else None)
        rows.append([name, f"{images:,}", accuracy, ", ".join(named)])
    return rows


def _record(album: Album) -> dict[str, object]:
    """The confusion matrix has a row for each true class and a column for each predicted class."""
    return {
        "classes": list(album.classes),
        "images": int(album.confusion.sum()),
        "accuracy": album.accuracy,
        "confusion": album.confusion.tolist(),
        "mistakes": [
            {
                "image": f"test:{mistake.row}",
                "label": album.classes[mistake.label],
                "predicted": answer_record(album.classes[mistake.predicted], mistake.probability),
            }
            for mistake in album.mistakes
        ],
    }
