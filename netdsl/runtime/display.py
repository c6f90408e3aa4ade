"""The output of a training: a progress bar on a terminal, and a line for each epoch."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from netdsl.runtime.loop import Progress
from netdsl.runtime.metrics import Metrics


class Display:
    """Shows the progress of a training of some epochs, `done` of which are complete."""

    def __init__(self, console: Console, epochs: int, done: int = 0) -> None:
        self._console = console
        self._epochs = epochs
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=epochs, completed=done, figures="")

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Moves the bar within an epoch."""
        self._bar.update(
            self._task,
            description=f"epoch {progress.epoch + 1}/{self._epochs}",
            completed=progress.epoch + progress.seen / progress.of_images,
            figures=_figures(progress.loss, progress.accuracy, progress.images_per_second),
        )

    def line(self, row: Metrics) -> None:
        """Prints the results of an epoch."""
        text = f"epoch {row.epoch:{len(str(self._epochs))}.4g}/{self._epochs}  "
        text += _figures(row.loss, row.accuracy, row.images_per_second)
        if row.validation_loss is not None and row.validation_accuracy is not None:
            text += f"  validation: loss {row.validation_loss:.4f}  accuracy "
            text += f"{row.validation_accuracy:6.2%}"
        left = row.seconds / row.epoch * (self._epochs - row.epoch)
        minutes, seconds = divmod(round(left), 60)
        text += f"  {minutes}:{seconds:02} left"
        self._console.print(text, highlight=False, soft_wrap=True)


def _figures(loss: float, accuracy: float, images_per_second: float) -> str:
    return f"loss {loss:.4f}  accuracy {accuracy:6.2%}  {images_per_second:,.0f} images/s"
