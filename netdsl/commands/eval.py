"""`netdsl eval`."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_options import data_override, device_option, run_argument, weights_option
from netdsl.commands.shared_outputs import OutputPath, print_written, require_outputs
from netdsl.commands.shared_tables import echo, format_option, percent, print_json, print_table

if TYPE_CHECKING:
    from netdsl.trained.evaluate import Evaluation
    from netdsl.trained.open_run import Which

# The most classes in the table.
_MOST = 20


@click.command(name="eval")
@run_argument
@weights_option
@click.option(
    "--data",
    metavar="KIND",
    help="Use other data: cifar10, cifar100, digits, folder:PATH, boxes:PATH, masks:PATH.",
)
@click.option(
    "-o",
    "--output",
    type=OutputPath(file=False, folder=True),
    metavar="FOLDER",
    help="Draw the confusion matrix, and of a detector the precision-recall curves, into this folder.",
)
@device_option
@format_option
def evaluate(
    run: Path, weights: Which, data: str | None, output: Path | None, device: str, form: str
) -> None:
    """Evaluate a run on the test images.

    The loss, and the accuracy of a classifier; of a detector the average precisions at an IoU of 0.5 (AP50),
    of 0.75 and the mean up to 0.95 (AP), of all boxes, of each class, and of small boxes (less than 32x32
    pixels of the network's input), medium ones and large ones (96x96 and more). In the confusion matrix a
    detector's boxes count from a score of 0.3 on.
    """
    from rich.console import Console

    from netdsl.inspect.sheets.evaluation import CONFUSION, CURVES, write_evaluation
    from netdsl.trained.evaluate import evaluate_run

    other_data = None if data is None else data_override(data)
    with errors_shown():
        if output is not None:
            require_outputs([output / CONFUSION, output / CURVES])
        found = evaluate_run(run, weights, other_data, device, Console(stderr=form == "json"))
        written = [] if output is None else write_evaluation(found, output)
    if form == "json":
        print_json(_record(found))
    else:
        _print(found)
        print_written(*written)


def _print(found: Evaluation) -> None:
    """Prints the scores, those of the classes, and those of sizes if there are any."""
    from netdsl.runtime.metrics import CLASS_SCORES

    echo(found)
    echo()
    details, classes = found.details, found.by_class()
    names = list(details.classes)
    if len(classes) > _MOST:
        known = [each for each in classes if each[names[0]] is not None]
        classes = sorted(known, key=itemgetter(names[0]))[:_MOST]
        echo(f"the lowest {len(classes)} of {len(found.classes)} classes; `--format json` has all:")
    headings = ("class", f">{details.things}", *(f">{CLASS_SCORES[name]}" for name in names))
    rows = [
        (each["class"], f"{each[details.things]:,}", *(percent(each[name]) for name in names))
        for each in classes
    ]
    print_table(headings, rows)
    if details.sizes:
        echo()
        print_table(("size", ">AP"), [(size, percent(score)) for size, score in details.sizes.items()])


def _record(found: Evaluation) -> dict[str, object]:
    details = found.details
    return {
        "network": found.network,
        "weights": found.which,
        "precision": found.precision,
        "images": found.images,
        **found.scores,
        **({"sizes": details.sizes} if details.sizes else {}),
        "classes": found.by_class(),
        "confusion": details.confusion.tolist(),
    }
