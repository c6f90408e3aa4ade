"""`netdsl features`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import click

from netdsl.commands.shared_completion import complete_runs
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import OutputPath, counted, device_option, seed_option, weights_option
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
    from torch import Tensor

    from netdsl.inspect.sheets.album import Album, Method
    from netdsl.trained.open_run import Which

# The pictures, in the order in which they are made. Activation maps are of an image.
Part: TypeAlias = Literal["filters", "activations", "embedding", "confusion", "mistakes"]
PARTS: tuple[Part, ...] = get_args(Part)

COLUMNS: list[tuple[str, Align]] = [
    ("class", "left"),
    ("images", "right"),
    ("accuracy", "right"),
    ("most often taken for", "left"),
]
# So many wrong classes are named for each.
_NAMED = 3


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@click.argument("images", nargs=-1, type=str, metavar="[IMAGE|test:N...]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputPath(file=False, folder=True),
    metavar="FOLDER",
    help="The folder for the pictures; made if need be.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Only this picture; may be given several times."
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="LAYER",
    help="A layer whose maps of the images are drawn, as stage2 or stage2.block1.conv1; may be given "
    "several times.  [default: stem and stages]",
)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="pca",
    show_default=True,
    help="How the head's input becomes points in the plane.",
)
@click.option(
    "--images",
    "count",
    type=counted(2),
    default=2000,
    show_default=True,
    help="Only so many points, evenly out of all test images.",
)
@seed_option("tsne: of its search.")
@weights_option
@device_option
@format_option
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

    Draws into FOLDER: filters.png, the filters of the first layer; embedding.png, the test images as
    the head sees them; confusion.png, which class is taken for which; mistakes.png, the most confident
    mistakes. With an IMAGE also activations-LAYER.png, the maps of layers.
    """
    parts = [part for part in PARTS if part in (only or PARTS) and (part != "activations" or images)]
    if not images and ("activations" in only or layers):
        raise click.UsageError("activation maps are of an IMAGE: name one, as test:0")
    if images and "activations" not in parts:
        raise click.UsageError(
            "only activation maps are of an IMAGE: leave it and --layer out, or add --only activations"
        )

    from rich.console import Console

    from netdsl.inspect.features import NothingToSee
    from netdsl.inspect.pictures import read
    from netdsl.inspect.sheets.album import MOST_IMAGES, Album
    from netdsl.trained.open_run import open_run

    console = Console(stderr=True)
    missing: list[str] = []
    told = form == "json" or not {"confusion", "mistakes"}.isdisjoint(parts)
    with errors_shown():
        require_outputs([output / f"{part}.png" for part in parts], images)
        opened = open_run(run)
        album = Album(opened, weights, device, console)
        pictures = read(images, opened, weights, console, MOST_IMAGES)
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
        counts = album.confusion if told else None
        written = album.write(output)
    if form == "json":
        print_json(_record(album))
    elif counts is not None:
        click.echo(f"accuracy {percent(album.accuracy)}, {int(counts.sum()):,} test images")
        print_table(COLUMNS, _rows(counts, album.classes))
    for line in missing:
        click.echo(line, err=True)
    if form == "text":
        print_written(*written)


def _rows(counts: Tensor, classes: Sequence[str]) -> list[list[str]]:
    """A row a class: how many of its images are right, and which classes the others were taken for."""
    rows = []
    for number, (name, row) in enumerate(zip(classes, counts.tolist(), strict=True)):
        images = sum(row)
        wrong = sorted((-count, other) for other, count in enumerate(row) if count and other != number)
        named = [f"{printable(classes[other])} {-count / images:.1%}" for count, other in wrong[:_NAMED]]
        accuracy = percent(row[number] / images if images else None)
        rows.append([printable(name), f"{images:,}", accuracy, ", ".join(named)])
    return rows


def _record(album: Album) -> dict[str, object]:
    """Rows of the confusion matrix are the true classes, columns what their images were taken for."""
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
