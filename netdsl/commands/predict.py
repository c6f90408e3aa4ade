"""`netdsl predict`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import INPUT_ERROR, errors_shown
from netdsl.commands.shared_options import PATH, counted, device_option, run_argument, weights_option
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
    from netdsl.trained.predict import Prediction


@click.command()
@run_argument
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE|FOLDER...")
@click.option("--top", type=counted(), default=3, help="Number of classes per image.")
@weights_option
@device_option
@format_option
def predict(run: Path, images: tuple[Path, ...], top: int, weights: Which, device: str, form: str) -> None:
    """Predict the classes of images, with probabilities.

    A file that is not an image is reported and skipped, and the exit status is then 1.
    """
    from netdsl.runtime.speed import choose_device
    from netdsl.trained.open_run import open_run
    from netdsl.trained.predict import image_files, predict

    with errors_shown():
        files = image_files(images)
        predictions = list(predict(open_run(run), weights, files, top, choose_device(device)))
    if form == "json":
        print_json([_record(prediction) for prediction in predictions if prediction.classes])
    else:
        _print(predictions)
    for prediction in predictions:
        if prediction.remark:
            echo(f"{prediction.image}: {prediction.remark}", err=True)
    sys.exit(0 if all(prediction.classes for prediction in predictions) else INPUT_ERROR)


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
