"""Scores of a model on validation or test images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from netdsl.language.recipe import View
from netdsl.runtime.batches import load
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Split
from netdsl.runtime.model import Model
from netdsl.runtime.speed import Speed
from netdsl.runtime.task import CLASSIFICATION, Scoring, Task
from netdsl.runtime.views import over_views

# Images at a time. Without gradients they need little memory: on a GPU as many as keep it busy.
BATCH = {"cpu": 256, "cuda": 2048, "mps": 256}


def evaluate(
    model: Model,
    data: Dataset,
    part: Split,
    speed: Speed,
    *,
    task: Task = CLASSIFICATION,
    views: Sequence[View] = (),
    workers: int = 0,
    processes: Processes = ALONE,
) -> dict[str, float]:
    """The task's scores on a split of the data, as `score` collects them."""
    kept = score(model, data, part, speed, task=task, views=views, workers=workers, processes=processes)
    return kept.result(processes)


def score(
    model: Model,
    data: Dataset,
    part: Split,
    speed: Speed,
    *,
    task: Task = CLASSIFICATION,
    views: Sequence[View] = (),
    workers: int = 0,
    processes: Processes = ALONE,
) -> Scoring:
    """Collects the outputs for a split of the data, which must be on the model's device.

    The outputs are the means over the `views` of test-time augmentation. Each image is evaluated by one of
    the `processes`. Raises RunError if the split is empty.
    """
    if not len(part):
        raise RunError("there are no images to evaluate on")
    batch = BATCH[speed.device.type]
    scoring = task.scoring(speed.device)
    ours = processes.share(torch.arange(len(part)))
    batches = list(ours.split(batch)) if len(ours) else []
    with torch.inference_mode():
        for rows in load(part, batches, ALONE, speed.device, workers):
            images = data.inputs(rows.images, speed.layout)
            with speed.autocast():
                outputs = over_views(partial(model.outputs, training=False), images, views)
            scoring.add(outputs, rows.targets)
    return scoring
