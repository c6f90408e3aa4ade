"""The pictures of `netdsl eval`: the confusion matrix, and the precisions of a detector at each recall."""

from __future__ import annotations

from pathlib import Path

from netdsl.inspect.sheets.charts import write_confusion, write_precision_recall
from netdsl.trained.evaluate import Evaluation

CONFUSION, CURVES = "confusion.png", "precision_recall.png"


def write_evaluation(found: Evaluation, folder: Path) -> list[Path]:
    """Draws into a folder, and returns the files. Raises RunError."""
    details, files = found.details, [folder / CONFUSION]
    title = f"{found.network}: {found.images:,} test images"
    names = found.classes
    if len(details.confusion) > len(names):
        names = (*names, "background")
    write_confusion(details.confusion, names, files[0], title)
    if details.curves is not None:
        files.append(folder / CURVES)
        title += ", at an IoU of 0.5"
        write_precision_recall(details.curves, details.classes["ap50"], found.classes, files[1], title)
    return files
