"""`netdsl predict`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import INPUT_ERROR, errors_shown
from netdsl.commands.shared_options import PATH, counted, device_option, run_argument, weights_option
from netdsl.commands.shared_outputs import output_option, print_written
from netdsl.commands.shared_tables import (
    answer_record,
    echo,
    format_option,
    percent,
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
    "--score", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Least score of a box."
)
@output_option("Also draw the boxes in the image, of which there may be one, into this file.", required=False)
@weights_option
@device_option
@format_option
def predict(
    run: Path,
    images: tuple[Path, ...],
    top: int,
    score: float,
    output: Path | None,
    weights: Which,
    device: str,
    form: str,
) -> None:
    """Predict the classes of images, or the boxes in them.

    A file that is not an image is reported and skipped, and the exit status is then 1.
    """
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run
    from netdsl.trained.predict import detect, draw_boxes, image_files, predict

    with errors_shown():
        files, opened, where = image_files(images), open_run(run), choose_device(device)
        if opened.network.typed.network.detect:
            classes = opened.preprocessing(weights).classes
            boxes = list(detect(opened, weights, files, score, where))
            if output:
                draw_boxes(boxes, classes, output)
            show = partial(_show_boxes, boxes, classes, form)
            remarks = [(file, remark, found is not None) for file, found, remark in boxes]
        else:
            if output:
                raise click.UsageError("`--output` draws boxes, and the network is a classifier")
            predictions = list(predict(opened, weights, files, top, where))
            show = partial(_show_classes, predictions, form)
            remarks = [(file, remark, bool(found)) for file, found, remark in predictions]
    show()
    if output:
        print_written(output, err=form == "json")
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
    if form == "json":
        print_json([{"image": image, "boxes": boxes} for image, boxes in named])
    elif rows:
        print_table(["image", "class", ">score", ">left", ">top", ">right", ">bottom"], rows)
    else:
        echo("no boxes: a lower `--score` finds more", err=True)


def _show_classes(predictions: Sequence[Prediction], form: str) -> None:
    """Prints the predictions as a table, or as JSON."""
    if form == "json":
        print_json([_record(prediction) for prediction in predictions if prediction.classes])
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
