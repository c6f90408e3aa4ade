"""Charts that a notebook shows: the curves of a run, and a learning rate range test."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.runtime.metrics import Metrics
    from netdsl.runtime.plot import Panel
    from netdsl.training.lr_find import RangeTest


class Chart:
    """A picture of panels side by side, which a notebook shows."""

    def panels(self) -> Sequence[Panel]:
        raise NotImplementedError

    def save(self, file: str | PathLike[str]) -> None:
        """Writes the picture; the ending of `file` is its format, such as `.png`, `.pdf` or `.svg`. Raises
        RunError.
        """
        from netdsl.runtime import plot

        plot.draw([self.panels()], Path(fspath(file)), shared=False)

    def _repr_html_(self) -> str:
        from netdsl.runtime import plot

        data = b64encode(plot.drawn([self.panels()], "png", shared=False)).decode()
        return f'<img alt="curves" style="max-width:100%" src="data:image/png;base64,{data}">'


class Curves(Chart):
    """Loss, scores and learning rate after each epoch (`rows`), made by `Run.curves`."""

    def __init__(self, rows: Sequence[Metrics]) -> None:
        self.rows = rows

    def panels(self) -> Sequence[Panel]:
        from netdsl.runtime import plot

        return plot.run_panels(self.rows)


class LearningRates(Chart):
    """The smoothed losses of a training whose learning rate rises, made by `Network.lr_find`. `rates` and
    `losses` have a value for each step.
    """

    def __init__(self, found: RangeTest) -> None:
        self._found = found
        self.rates, self.losses, self.suggestion = found.rates, found.losses, found.suggestion

    def panels(self) -> Sequence[Panel]:
        return [self._found.panel()]

    def __repr__(self) -> str:
        return str(self._found)
