"""Plots of scores over epochs, and the writing of matplotlib figures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from rich.console import Console

from netdsl.base.paths import real
from netdsl.base.printing import printable
from netdsl.runtime import metrics
from netdsl.runtime.console import warn
from netdsl.runtime.errors import RunError
from netdsl.runtime.metrics import METRICS, Metrics
from netdsl.runtime.silence import first_line, silenced
from netdsl.runtime.storage import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Fields and properties of Metrics.
Key: TypeAlias = Literal["loss", "validation_loss", "score", "validation_score", "lr"]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot: values after these epochs, with `deviations` as a band around it."""

    label: str
    epochs: list[float]
    values: list[float]
    deviations: Sequence[float] = ()

    @staticmethod
    def of(label: str, rows: Sequence[Metrics], key: Key) -> Curve:
        """A figure of a run, without epochs for which it is unknown."""
        points = [(row.epoch, value) for row in rows if (value := getattr(row, key)) is not None]
        return Curve(label, [epoch for epoch, _ in points], [value for _, value in points])


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same epochs, or what else goes `across`; `label` is that of their axis. `shares` are
    values from 0 to 1, shown as percentages; `mark` is a vertical line and its label.
    """

    curves: Sequence[Curve]
    label: str
    title: str = ""
    shares: bool = True
    across: str = "epoch"
    logarithmic: bool = False
    mark: tuple[float, str] | None = None


def compare(runs: Sequence[Path], picture: Path) -> None:
    """Draws the validation scores of several runs; the ending of `picture` chooses the format.

    Raises RunError if a run has no valid metrics or no validation.
    """
    names = [real(run).name for run in runs]
    curves, kinds = [], set[str]()
    for run, name in zip(runs, names, strict=True):
        label = str(run) if names.count(name) > 1 else name
        rows = metrics.read(run)
        curve = Curve.of(label, rows, "validation_score")
        kinds.add(METRICS[rows[0].metric])
        if not curve.epochs:
            raise RunError(f"{run} was trained without validation", "remove this run")
        curves.append(curve)
    draw([[Panel(curves, f"validation {', '.join(sorted(kinds))}")]], picture)


def curves(run: Path) -> None:
    """Draws the `run_panels` of a run into its `curves.png`."""
    draw([run_panels(metrics.read(run))], run / "curves.png", shared=False)


def run_panels(rows: Sequence[Metrics]) -> list[Panel]:
    """Loss and scores on training and validation images, and the learning rate."""

    def both(training: Key, validation: Key) -> list[Curve]:
        lines = Curve.of("training", rows, training), Curve.of("validation", rows, validation)
        return [curve for curve in lines if curve.epochs]

    return [
        Panel(both("loss", "validation_loss"), "loss", shares=False),
        Panel(both("score", "validation_score"), METRICS[rows[0].metric]),
        Panel([Curve.of("after the epoch", rows, "lr")], "learning rate", shares=False),
    ]


def draw(rows: Sequence[Sequence[Panel]], picture: Path, shared: bool = True) -> None:
    """Draws panels side by side in rows of equal length, whose axes are `shared` in a row; the ending of
    `picture` chooses the format.

    Raises RunError if the format is unknown, or the file can't be written.
    """
    write_atomic(picture, drawn(rows, require_format(picture), shared, str(picture)))


def drawn(rows: Sequence[Sequence[Panel]], format: str, shared: bool, name: str = "the picture") -> bytes:
    """The picture of panels, as `draw` writes it into the file `name`. Raises RunError."""
    with drawing(name):
        # Imported here, since it is slow. Unlike pyplot, a Figure needs no screen and no global state.
        from matplotlib.figure import Figure

        across, down = len(rows[0]), len(rows)
        size = (8, 5) if across == down == 1 else (4 * across, 3.2 * down)
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        grid = figure.subplots(down, across, squeeze=False, sharey="row" if shared else False)
        for panels, places in zip(rows, grid, strict=True):
            for panel, axes in zip(panels, places, strict=True):
                _draw_panel(axes, panel)
                if shared:
                    axes.label_outer()
        return figure_bytes(figure, format, name)


@contextmanager
def drawing(picture: Path | str) -> Iterator[None]:
    """Within the block, failures of matplotlib are RunErrors, and its warnings are silent: such as of letters
    that a font lacks, which are drawn as boxes.
    """
    try:
        with silenced():
            yield
    except RunError:
        raise
    except Exception as error:  # a setting, a font, or an installation that is incomplete
        reason = first_line(error)
        raise RunError(
            f"{picture} can't be drawn: {reason}", "check the installation of matplotlib"
        ) from error


@contextmanager
def drawn_if_possible(console: Console) -> Iterator[None]:
    """Within the block, a picture that can't be drawn is a warning: the results are complete without it."""
    try:
        yield
    except RunError as error:
        warn(console, str(error), error.help)


def require_format(picture: Path) -> str:
    """The format of a picture, by its ending; PNG without one. Raises RunError if it is unknown."""
    with drawing(picture):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

    format = picture.suffix.removeprefix(".").lower() or "png"
    known = [name for name in FigureCanvasAgg.filetypes if name != "pgf"]  # which needs LaTeX
    if format not in known:
        raise RunError(f"{picture}: unknown picture format `{format}`", f"use one of {', '.join(known)}")
    return format


def write_figure(figure: Figure, picture: Path) -> None:
    """Writes a picture, whole or not at all; its ending chooses the format. Raises RunError."""
    write_atomic(picture, figure_bytes(figure, require_format(picture), str(picture)))


def figure_bytes(figure: Figure, format: str, name: str) -> bytes:
    """A picture in a format, the same each time. Raises RunError, which names it."""
    from matplotlib import rc_context

    date = {"pdf": "CreationDate", "svg": "Date"}.get(format)
    content = io.BytesIO()
    with drawing(name), rc_context({"svg.hashsalt": "netdsl"}):
        figure.savefig(content, format=format, metadata={date: None} if date else None)
    return content.getvalue()


def plain(text: str) -> str:
    """A text with matplotlib's formulas and unprintable characters escaped."""
    return "\n".join(map(printable, text.split("\n"))).replace("$", r"\$")


def legend_label(name: str) -> str:
    """A name for a legend, which ignores names with a leading underscore."""
    return " " + plain(name)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for curve in panel.curves:
        label = legend_label(curve.label)
        (line,) = axes.plot(curve.epochs, curve.values, marker="o", markersize=3, label=label)
        if curve.deviations:
            pairs = list(zip(curve.values, curve.deviations, strict=True))
            low, high = [mean - by for mean, by in pairs], [mean + by for mean, by in pairs]
            axes.fill_between(curve.epochs, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel=panel.across, ylabel=panel.label, title=panel.title)
    if panel.logarithmic:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.mark is not None:
        place, label = panel.mark
        axes.axvline(place, color="gray", linestyle="--", label=legend_label(label))
    if panel.shares:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.margins(y=0.1)
    axes.grid(alpha=0.3)
    axes.legend()
