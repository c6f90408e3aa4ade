"""Pictures computed from a run's images: in the folder of a finished run, and on its page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console

from netdsl.inspect.features import NothingToSee
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.sheets.album import Album
from netdsl.inspect.sheets.evaluation import write_evaluation
from netdsl.inspect.sheets.samples import write_first_batch
from netdsl.runtime.callback import Beginning, Callback
from netdsl.runtime.console import user_console, warn
from netdsl.runtime.errors import RunError
from netdsl.runtime.silence import first_line
from netdsl.runtime.task import Classification
from netdsl.runtime.train import Report
from netdsl.trained.evaluate import Evaluation, evaluate_opened
from netdsl.trained.open_run import OpenedRun, open_run
from netdsl.trained.tasks import task_of

# Images of the first batch, and in a row of them.
_IMAGES, _ROW = 32, 8
_SWITCH = "NETDSL_PICTURES"


class Pictures(NamedTuple):
    """Files of pictures under a title, and for the scores of classes their evaluation."""

    title: str
    files: list[Path]
    evaluation: Evaluation | None = None


def draw_pictures(run: OpenedRun, device: str, folder: Path, console: Console) -> Iterator[Pictures]:
    """Draws into a folder: the confusion matrix of the best weights on the test images, the curves of a
    detector, the worst mistakes of a classifier, and the first batch after augmentation. Raises RunError.
    """
    found = evaluate_opened(run, "best", device, console)
    yield Pictures("Classes", write_evaluation(found, folder), found)
    if isinstance(task_of(run.network), Classification):
        album = Album(InspectedRun.of(run, "best", device))
        with suppress(NothingToSee):
            album.add_mistakes()
            yield Pictures("Worst mistakes", album.write(folder))
    sheet = folder / "batch.png"
    data = run.data(console).to(torch.device("cpu"))
    write_first_batch(data, run.network.recipe, sheet, _IMAGES, _ROW)
    yield Pictures("First batch, after augmentation", [sheet])


class RunPictures(Callback):
    """Draws the pictures of a run at its end, into its folder. One that can't be drawn is a warning: the run
    is complete without it. With `NETDSL_PICTURES=no` in the environment, there are none.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = user_console(quiet)

    def begin(self, beginning: Beginning) -> None:
        self._beginning = beginning

    def end(self, report: Report) -> None:
        if os.environ.get(_SWITCH) == "no":
            return
        folder = self._beginning.folder
        try:
            run = replace(open_run(folder), dataset=self._beginning.data)
            for _ in draw_pictures(run, self._beginning.device, folder, self._console):
                pass
        except Exception as error:  # noqa: BLE001 - of data, of a device, or of a drawing
            help = error.help if isinstance(error, RunError) else f"try `netdsl report {folder}`"
            warn(self._console, f"not all pictures of the run are drawn: {first_line(error)}", help)
