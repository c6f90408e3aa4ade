"""The scores of a run on its test images."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from rich.console import Console

from netdsl.runtime import metrics
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.trained.open_run import OpenedRun, Which
from netdsl.trained.tasks import task_of


class Evaluated(NamedTuple):
    """The scores of a run's weights on `images` test images, in a precision."""

    scores: dict[str, float]
    which: Which
    images: int
    precision: str


def evaluate_run(run: OpenedRun, which: Which, device: str, console: Console) -> Evaluated:
    """The scores of a run's weights on the test images of its data. Raises RunError."""
    speed = run.speed(device)
    speed.prepare()
    model = run.model(which, speed.device)
    dataset = run.preprocessing(which).applied(run.data(console)).to(speed.device)
    with suppress(RunError):  # of a run without metrics
        if metrics.read(run.folder)[-1].validation_score is None:
            which = "last"  # no weights were better than others
    task, flip = task_of(run.network), run.network.recipe.tta == "flip"
    scores = evaluate(model, dataset, dataset.test, speed, task=task, flip=flip)
    return Evaluated(scores, which, len(dataset.test), speed.precision)
