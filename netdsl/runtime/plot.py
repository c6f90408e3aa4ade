"""Pictures of accuracy over epochs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netdsl.runtime import metrics
from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of the picture: accuracies, 0 to 1, after these epochs."""

    label: str
    epochs: list[float]
    accuracies: list[float]


def compare(runs: Sequence[Path], picture: Path) -> None:
    """Draws the validation accuracy of several runs; the ending of `picture` chooses the format.

    Raises RunError where a run has no valid metrics or no validation.
    """
    names = [run.resolve().name for run in runs]
    curves = []
    for run, name in zip(runs, names, strict=True):
        label = str(run) if names.count(name) > 1 else name
        curve = _validation(label, metrics.read(run))
        if not curve.epochs:
            raise RunError(f"{run} was trained without validation", "leave this run out")
        curves.append(curve)
    _draw(curves, "validation accuracy", picture)


def curves(run: Path) -> None:
    """Draws the accuracies of one run on training and validation images into its `curves.png`."""
    rows = metrics.read(run)
    training = Curve("training", [row.epoch for row in rows], [row.accuracy for row in rows])
    validation = _validation("validation", rows)
    shown = [training, validation] if validation.epochs else [training]
    _draw(shown, "accuracy", run / "curves.png")


def _validation(label: str, rows: list[metrics.Metrics]) -> Curve:
    points = [(row.epoch, row.validation_accuracy) for row in rows]
    held_out = [(epoch, accuracy) for epoch, accuracy in points if accuracy is not None]
    return Curve(label, [epoch for epoch, _ in held_out], [accuracy for _, accuracy in held_out])


def _draw(curves: list[Curve], title: str, picture: Path) -> None:
    # Imported here: it takes longer than all else, and most commands draw nothing. A Figure of its
    # own needs no screen and leaves no global state, as pyplot would.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    format = picture.suffix.removeprefix(".").lower() or "png"
    known = FigureCanvasAgg(figure).get_supported_filetypes()
    if format not in known:
        raise RunError(f"{picture}: `{format}` is no picture format", f"use {', '.join(known)}")
    axes = figure.add_subplot()
    for curve in curves:
        # To matplotlib `$` starts a formula, and a leading underscore hides a label: the blank.
        label = " " + curve.label.replace("$", r"\$")
        axes.plot(curve.epochs, curve.accuracies, marker="o", markersize=3, label=label)
    axes.set(xlabel="epoch", ylabel=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.grid(alpha=0.3)
    axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format=format)
    write_atomic(picture, content.getvalue())
