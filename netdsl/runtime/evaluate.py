"""Loss and accuracy of a model on images that it isn't trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from netdsl.runtime.data import Dataset, Split
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import Model


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean cross entropy (without label smoothing) and the share of right answers, 0 to 1."""

    loss: float
    accuracy: float


def evaluate(model: Model, data: Dataset, split: Split, batch: int = 256, *, flip: bool = False) -> Scores:
    """The scores on a split of the data, which must be on the model's device.

    `flip`: the logits of an image are the mean of its own and of its mirror image's.
    Raises RunError where the split is empty.
    """
    if not len(split):
        raise RunError("there are no images to evaluate on")
    loss = torch.zeros((), dtype=torch.float64, device=split.labels.device)
    right = torch.zeros((), dtype=torch.int64, device=split.labels.device)
    with torch.inference_mode():
        for index in torch.split(torch.arange(len(split), device=split.labels.device), batch):
            part = split[index]
            x = data.normalise(data.floats(part.images))
            logits = model(x, training=False)
            if flip:
                logits = (logits + model(x.flip(3), training=False)) / 2
            loss += F.cross_entropy(logits, part.labels, reduction="sum")
            right += (logits.argmax(1) == part.labels).sum()
    return Scores(loss.item() / len(split), right.item() / len(split))
