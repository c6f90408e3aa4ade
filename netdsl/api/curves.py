"""The curves of a run."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.runtime.metrics import Metrics


class Curves:
    """Loss, scores and learning rate after each epoch (`rows`), made by `Run.curves`. A notebook shows the
    picture.
    """

    def __init__(self, rows: Sequence[Metrics]) -> None:
        self.rows = rows

    def save(self, file: str | PathLike[str]) -> None:
        """Writes the picture; the ending of `file` is its format, such as `.png`, `.pdf` or `.svg`. Raises
        RunError.
        """
        from netdsl.runtime import plot

        plot.draw([plot.run_panels(self.rows)], Path(fspath(file)), shared=False)

    def _repr_html_(self) -> str:
        from netdsl.runtime import plot

        data = b64encode(plot.drawn([plot.run_panels(self.rows)], "png", shared=False)).decode()
        return f'<img alt="curves" style="max-width:100%" src="data:image/png;base64,{data}">'
