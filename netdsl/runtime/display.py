"""The output of a training: its progress where that can be seen, and a table with a row for each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from netdsl.base.printing import printable
from netdsl.runtime.console import in_notebook
from netdsl.runtime.loop import Progress
from netdsl.runtime.metrics import METRICS, Metrics
from netdsl.runtime.task import Task

_WIDEST = 79
# The columns that a narrow terminal lacks, the first one first.
_LEAST_NEEDED = ("images/s", "left", "val. loss", "loss")


class Display:
    """Shows the progress of a training of some epochs, `done` of which are complete.

    A terminal has a bar, a notebook a line that is rewritten, and a file or a pipe neither.
    """

    def __init__(self, console: Console, epochs: int, task: Task, done: int = 0) -> None:
        self._console, self._epochs, self._names = console, epochs, task.figures
        self._narrow = console.is_terminal and console.width < _WIDEST
        self._bar = Bar(
            TextColumn("{task.description}"),
            *([] if self._narrow else [BarColumn()]),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=in_notebook() or not console.is_terminal,
        )
        self._training = self._bar.add_task("", total=epochs, completed=done, figures="")
        self._rewrites = in_notebook() and not console.quiet
        self._headed = False

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._rewrite("")

    def show(self, progress: Progress) -> None:
        """Shows the position within an epoch."""
        epoch = f"epoch {progress.epoch + 1}/{self._epochs}"
        figures = _figures(progress.loss, progress.means(self._names), progress.images_per_second)
        share = progress.seen / progress.end
        if self._narrow:
            figures = figures.rpartition("  ")[0]
        self._bar.update(self._training, description=epoch, completed=progress.epoch + share, figures=figures)
        self._rewrite(f"{epoch}  {share:4.0%}  {figures}")

    def line(self, row: Metrics, best: bool) -> None:
        """Prints the results of an epoch, the best one so far with a mark; before the first, the heading."""
        self._rewrite("")
        cells = {
            "epoch": f"{row.epoch:.4g}/{self._epochs}",
            "loss": f"{row.loss:.4f}",
            **{name: f"{value:.3f}" for name, value in row.figures.items() if name not in METRICS},
            **_scores(row.figures, ""),
        }
        if row.validation_loss is not None:
            cells |= {"val. loss": f"{row.validation_loss:.4f}", **_scores(row.validation, "val. ")}
        minutes, seconds = divmod(round(row.seconds / row.epoch * (self._epochs - row.epoch)), 60)
        cells |= {"images/s": f"{row.images_per_second:,.0f}", "left": f"{minutes}:{seconds:02}"}
        least = {"epoch": 2 * len(str(self._epochs)) + 1, "images/s": 8, "left": 6}
        widths = {name: max(len(name), least.get(name, 6)) for name in cells}
        for name in _LEAST_NEEDED:
            if self._console.is_terminal and sum(widths.values()) + 2 * len(widths) > self._console.width:
                widths.pop(name, None)  # With the mark, a row has two characters for each column.
        if not self._headed:
            self._headed = True
            self._print(Text("  ".join(f"{name:>{width}}" for name, width in widths.items()), "bold"))
        text = Text("  ".join(f"{cells[name]:>{width}}" for name, width in widths.items()))
        if best and row.validation_score is not None:
            text.append(" *", "green bold")
        self._print(text)

    def _print(self, line: Text) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def _rewrite(self, text: str) -> None:
        """Replaces the line of a notebook. Its output has no cursor, but returns to the start of a line."""
        if self._rewrites:
            self._console.file.write(f"\r{printable(text)[:_WIDEST]:{_WIDEST}}\r")
            self._console.file.flush()


def _scores(values: Mapping[str, float], before: str) -> dict[str, str]:
    """The task's metric under its heading."""
    return {f"{before}{METRICS[name]}": f"{value:.2%}" for name, value in values.items() if name in METRICS}


def _figures(loss: float, figures: Mapping[str, float], images_per_second: float) -> str:
    """The figures of a training: parts of the loss stand behind it in brackets."""
    parts = [f"{value:.3f}" for name, value in figures.items() if name not in METRICS]
    scores = [f"  {METRICS[name]} {value:6.2%}" for name, value in figures.items() if name in METRICS]
    sum_of = f" ({' + '.join(parts)})" if parts else ""
    return f"loss {loss:.4f}{sum_of}{''.join(scores)}  {images_per_second:,.0f} images/s"
