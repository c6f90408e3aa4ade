"""Segmentation as a task: targets are masks (N, H, W), outputs scores of the classes at each position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.distributed import Processes
from netdsl.runtime.model import Outputs, all_outputs
from netdsl.runtime.segmentation import IGNORED
from netdsl.runtime.task import Details, Scoring, counted, sum_type, with_auxiliary


@dataclass(frozen=True, slots=True)
class Segmentation:
    """One of `classes` for each pixel of images of `size` (height, width).

    Outputs (N, classes, h, w) are enlarged to the images bilinearly (Long et al. 2015, section 3.3). The loss
    of an image is the mean cross entropy of its pixels, in training with label smoothing and the losses of
    further outputs as in `Classification`. The metric is the mean over the classes of the intersection over
    union of all pixels (mIoU, Everingham et al. 2010).
    """

    classes: int
    size: tuple[int, int]
    smoothing: float = 0.0
    aux: float = 0.3
    metric = "iou"
    enough = 0.95
    figures: tuple[str, ...] = ()
    guesses = True

    def scores(self, output: Tensor) -> Tensor:
        """The scores of the classes at each pixel, (N, K, H, W), of an output at each position."""
        if output.shape[2:] == self.size:
            return output.float()
        return F.interpolate(output.float(), self.size, mode="bilinear")

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        def loss(output: Tensor) -> Tensor:
            return mean_entropies(self.scores(output), targets, self.smoothing).sum()

        return with_auxiliary(loss, all_outputs(outputs), self.aux), targets.new_zeros(0, dtype=torch.float32)

    def example(self, count: int, device: torch.device) -> Tensor:
        return torch.zeros(count, *self.size, dtype=torch.uint8, device=device)

    def scoring(self, device: torch.device) -> Scoring:
        return _Pixels(self, device)

    def decoded(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {}


def mean_entropies(scores: Tensor, masks: Tensor, smoothing: float = 0.0) -> Tensor:
    """The mean cross entropy of the pixels of each image that have a class, (N,); 0 without any."""
    entropy = F.cross_entropy(
        scores, masks.long(), reduction="none", ignore_index=IGNORED, label_smoothing=smoothing
    )
    return entropy.flatten(1).sum(1) / (masks != IGNORED).flatten(1).sum(1).clamp(min=1)


class _Pixels:
    """The mean loss, and figures of the confusion matrix of all pixels."""

    def __init__(self, task: Segmentation, device: torch.device) -> None:
        self._task = task
        self._sums = torch.zeros(2, dtype=sum_type(device), device=device)
        self._confusion = torch.zeros(task.classes, task.classes, dtype=torch.int64, device=device)

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        scores = self._task.scores(all_outputs(outputs)[0])
        loss = mean_entropies(scores, targets).sum()
        self._sums += torch.stack((loss, loss.new_full((), len(targets))))
        known = targets.long().masked_fill(targets == IGNORED, -1)
        self._confusion = counted(self._confusion, known, scores)

    def result(self, processes: Processes) -> dict[str, float]:
        loss, count = processes.total(self._sums).tolist()
        self._confusion = processes.total(self._confusion)
        ious = [iou for iou in overlaps(self._confusion) if iou is not None]
        right, pixels = self._confusion.trace().item(), self._confusion.sum().item()
        mean = sum(ious) / max(1, len(ious))
        return {"loss": loss / count, "iou": mean, "pixels": right / max(1, pixels)}

    def details(self) -> Details:
        return Details("pixels", {"iou": overlaps(self._confusion)}, self._confusion.cpu())


def overlaps(confusion: Tensor) -> tuple[float | None, ...]:
    """The intersection over union of each class, of a confusion matrix (K, K); None for a class that no pixel
    has and no pixel is taken for.
    """
    same = confusion.diag()
    either = confusion.sum(0) + confusion.sum(1) - same
    pairs = zip(same.tolist(), either.tolist(), strict=True)
    return tuple(both / union if union else None for both, union in pairs)
