"""Loss and accuracy of a model on validation or test images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from netdsl.runtime.batches import load
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Split
from netdsl.runtime.model import Model
from netdsl.runtime.speed import Speed

# Images at a time. Without gradients they need little memory: on a GPU as many as keep it busy.
BATCH = {"cpu": 256, "cuda": 2048}


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean cross entropy (without label smoothing) and accuracy, 0 to 1."""

    loss: float
    accuracy: float


def evaluate(
    model: Model,
    data: Dataset,
    part: Split,
    speed: Speed,
    *,
    flip: bool = False,
    workers: int = 0,
    processes: Processes = ALONE,
) -> Scores:
    """The scores on a split of the data, which must be on the model's device.

    `flip`: the logits are the mean of those for the image and for its mirror image. Each image is evaluated
    by one of the `processes`. Raises RunError if the split is empty.
    """
    if not len(part):
        raise RunError("there are no images to evaluate on")
    batch = BATCH[speed.device.type]
    scores = torch.zeros(2, dtype=torch.float64, device=speed.device)
    ours = processes.share(torch.arange(len(part)))
    batches = list(ours.split(batch)) if len(ours) else []
    with torch.inference_mode():
        for rows in load(part, batches, ALONE, speed.device, workers):
            images = data.inputs(rows.images, speed.layout)
            with speed.autocast():
                logits = model(images, training=False).float()
                if flip:
                    logits = (logits + model(images.flip(3), training=False).float()) / 2
            loss = F.cross_entropy(logits, rows.labels, reduction="sum")
            scores += torch.stack((loss, (logits.argmax(1) == rows.labels).sum()))
        scores = processes.total(scores)
    loss_sum, right = scores.tolist()
    return Scores(loss_sum / len(part), right / len(part))
