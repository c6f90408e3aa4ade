"""`netdsl predict`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import INPUT_ERROR, errors_shown
from netdsl.commands.shared_options import PATH, counted, device_option, run_argument, weights_option
from netdsl.commands.shared_outputs import OutputPath, print_written, require_outputs
from netdsl.commands.shared_tables import (
    answer_record,
    echo,
    percent,
    print_csv,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from netdsl.trained.open_run import Which
    from netdsl.trained.predict import FoundBoxes, Prediction


@click.command()
@run_argument
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE|FOLDER...")
@click.option("--top", type=counted(), default=3, help="Number of classes per image.")
@click.option(
    "--score",
    type=click.FloatRange(0, 1),
    help="Least score of a box.  [default: 0.3; in results that of `detect`]",
)
@click.option(
    "-o",
    "--output",
    type=OutputPath(folder=True),
    metavar="PICTURE|FOLDER|RESULTS",
    help="Also draw boxes or classes of pixels: of one image into this picture, of several into pictures in "
    "this folder; or write boxes into this .json in COCO's format of results: the IMAGE is then a file of "
    "COCO's annotations.",
)
@weights_option
@device_option
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", help="Format.")
def predict(
    run: Path,
    images: tuple[Path, ...],
    top: int,
    score: float | None,
    output: Path | None,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Predict classes of images or pixels, or boxes.

    Of pixels, the shares of the most frequent classes are printed, and `-o` colours them. The images of a
    detector may be those of a file of COCO's annotations, FILE.json, with their ids. `-` is an image on
    standard input. A file that is not an image is reported and skipped, and the exit status is then 1.
    """
    from rich.console import Console

    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run
    from netdsl.trained.predict import (
        detect,
        drawing,
        image_files,
        listed,
        picture_files,
        predict,
        segment,
        write_results,
    )
    from netdsl.trained.tasks import is_dense

    annotations = images[0] if len(images) == 1 and images[0].suffix == ".json" else None
    results = output is not None and output.suffix == ".json"
    if results and annotations is None:
        raise click.UsageError("results have ids of images: name a file of COCO's annotations as the IMAGE")
    show: Callable[[], None]

    def pictures(files: Sequence[Path]) -> list[Path]:
        places = [] if output is None or results else picture_files(files, output)
        require_outputs(places, files)
        return places

    with errors_shown():
        files = [] if annotations else image_files(images)
        opened, where = open_run(run), choose_device(device)
        if opened.network.typed.network.detect:
            from netdsl.runtime.detection.boxes import SURE

            ids = listed(annotations, Console(stderr=True)) if annotations else None
            files = list(ids.images) if ids else files
            classes = opened.preprocessing(weights).classes
            least = SURE if score is None and not results else score
            boxes = list(drawing(detect(opened, weights, files, least, where), classes, pictures(files)))
            show = partial(_show_boxes, boxes, classes, form)
            if results and ids and output:
                write_results(boxes, classes, ids, output)
                show = partial(echo, f"{sum(len(own.scores) for _, own, _ in boxes if own):,} boxes")
            remarks = [(file, remark, found is not None) for file, found, remark in boxes]
        else:
            if is_dense(opened.network):
                classes = opened.preprocessing(weights).classes
                files = files or list(images)
                masks = drawing(segment(opened, weights, files, where), classes, pictures(files))
                predictions = [found.shares(classes, top) for found in masks]
            elif output:
                raise click.UsageError("`--output` draws what is where, and the network is a classifier")
            else:
                predictions = list(predict(opened, weights, files or images, top, where))
            show = partial(_show_classes, predictions, form)
            remarks = [(file, remark, bool(found)) for file, found, remark in predictions]
    show()
    if output and any(readable for _, _, readable in remarks):
        print_written(output, err=form != "text")
    for image, remark, _ in remarks:
        if remark:
            echo(f"{image}: {remark}", err=True)
    sys.exit(0 if all(readable for _, _, readable in remarks) else INPUT_ERROR)


def _show_boxes(images: Sequence[FoundBoxes], classes: Sequence[str], form: str) -> None:
    """Prints a row per box, or all as JSON."""
    named = [
        (
            str(image),
            [
                {"class": classes[kind], "score": score, "box": corners}
                for corners, score, kind in zip(*(part.tolist() for part in found), strict=True)
            ],
        )
        for image, found, _ in images
        if found is not None
    ]
    rows = [
        [image, box["class"], percent(box["score"]), *(f"{corner:.0f}" for corner in box["box"])]
        for image, boxes in named
        for box in boxes
    ]
    if form == "csv":
        print_csv(
            ["image", "class", "score", "left", "top", "right", "bottom"],
            [[image, box["class"], box["score"], *box["box"]] for image, boxes in named for box in boxes],
        )
    elif form == "json":
        print_json([{"image": image, "boxes": boxes} for image, boxes in named])
    elif rows:
        print_table(["image", "class", ">score", ">left", ">top", ">right", ">bottom"], rows)
    else:
        echo("no boxes: a lower `--score` finds more", err=True)


def _show_classes(predictions: Sequence[Prediction], form: str) -> None:
    """Prints the predictions as a table, or as JSON."""
    if form == "json":
        print_json([_record(prediction) for prediction in predictions if prediction.classes])
    elif form == "csv":
        rows = [
            [prediction.image, rank, name, share]
            for prediction in predictions
            for rank, (name, share) in enumerate(prediction.classes, 1)
        ]
        print_csv(["image", "rank", "class", "probability"], rows)
    else:
        _print(predictions)


def _print(predictions: Sequence[Prediction]) -> None:
    """Prints a row per image, with a column of classes and one of probabilities for each rank."""
    rows = [
        [
            prediction.image,
            *chain.from_iterable((name, percent(share)) for name, share in prediction.classes),
        ]
        for prediction in predictions
        if prediction.classes
    ]
    if rows:
        ranks = (len(rows[0]) - 1) // 2
        print_table(["image", *chain.from_iterable((f"{rank + 1}.", ">") for rank in range(ranks))], rows)


def _record(prediction: Prediction) -> dict[str, object]:
    likeliest = [answer_record(*answer) for answer in prediction.classes]
    return {"image": str(prediction.image), "predictions": likeliest}
