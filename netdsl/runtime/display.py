"""The output of a training: a progress bar on a terminal, and a line for each epoch."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from netdsl.runtime.console import say
from netdsl.runtime.loop import Progress
from netdsl.runtime.metrics import METRICS, Metrics
from netdsl.runtime.task import Task


class Display(Bar):
    """Shows the progress of a training of some epochs, `done` of which are complete."""

    def __init__(self, console: Console, epochs: int, task: Task, done: int = 0) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._epochs, self._names = epochs, task.figures
        self._training = self.add_task("", total=epochs, completed=done, figures="")

    def show(self, progress: Progress) -> None:
        """Moves the bar within an epoch."""
        self.update(
            self._training,
            description=f"epoch {progress.epoch + 1}/{self._epochs}",
            completed=progress.epoch + progress.seen / progress.of_images,
            figures=_figures(progress.loss, progress.means(self._names), progress.images_per_second),
        )

    def line(self, row: Metrics) -> None:
        """Prints the results of an epoch."""
        text = f"epoch {row.epoch:{len(str(self._epochs))}.4g}/{self._epochs}  "
        text += _figures(row.loss, row.figures, row.images_per_second)
        if row.validation_loss is not None and row.validation_score is not None:
            text += f"  validation: loss {row.validation_loss:.4f}  {METRICS[row.metric]} "
            text += f"{row.validation_score:6.2%}"
        left = row.seconds / row.epoch * (self._epochs - row.epoch)
        minutes, seconds = divmod(round(left), 60)
        text += f"  {minutes}:{seconds:02} left"
        say(self.console, text)


def _figures(loss: float, figures: Mapping[str, float], images_per_second: float) -> str:
    """The figures of a training: parts of the loss stand behind it in brackets."""
    parts = [f"{value:.3f}" for name, value in figures.items() if name not in METRICS]
    scores = [f"  {METRICS[name]} {value:6.2%}" for name, value in figures.items() if name in METRICS]
    sum_of = f" ({' + '.join(parts)})" if parts else ""
    return f"loss {loss:.4f}{sum_of}{''.join(scores)}  {images_per_second:,.0f} images/s"
