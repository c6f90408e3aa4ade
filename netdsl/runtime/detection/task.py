"""Detection as a task: targets are boxes (N, M, 5), outputs the head's maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from netdsl.runtime.detection.boxes import SURE, Detections, keep_best, without_padding
from netdsl.runtime.detection.mean_ap import Precisions, average_precision, confusion
from netdsl.runtime.distributed import Processes
from netdsl.runtime.model import Outputs, all_outputs
from netdsl.runtime.task import Details, Scoring, sum_type


class Head(Protocol):
    """Meaning of the maps of a detector; `parts` are the names of the parts of its loss."""

    @property
    def parts(self) -> tuple[str, ...]: ...

    @property
    def classes(self) -> int: ...

    def loss(self, outputs: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """The parts of the loss, of boxes in pixels, with their weights; the loss is their sum."""

    def candidates(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """All boxes in pixels, (N, L, 4), and their scores by class, (N, L, C)."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Boxes with classes, in images of `size` (height, width).

    Of the candidates with a score of `least` or more, those that overlap a surer one of their class by an IoU
    above `overlap` are dropped. The metric is the average precision at an IoU of 0.5, the mean over the
    classes (Everingham et al. 2010, as COCO counts it).
    """

    head: Head
    size: tuple[int, int]
    least: float
    overlap: float
    metric = "ap50"
    enough = 0.95
    guesses = False

    @property
    def figures(self) -> tuple[str, ...]:
        return self.head.parts

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        parts = self.head.loss(all_outputs(outputs), targets) * len(targets)
        return parts.sum(), parts.detach()

    def example(self, count: int, device: torch.device) -> Tensor:
        height, width = self.size
        box = torch.tensor([width / 4, height / 4, width / 2, height / 2, 0.0], device=device)
        return box.expand(count, 1, 5)

    def detections(self, outputs: Outputs) -> list[Detections]:
        """The boxes found in each image."""
        boxes, scores = self.head.candidates(all_outputs(outputs))
        return keep_best(boxes, scores, self.size, self.least, self.overlap)

    def scoring(self, device: torch.device) -> Scoring:
        return _Boxes(self, device)

    def decoded(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        from torchvision.ops import clip_boxes_to_image  # late: slow to import

        boxes, scores = self.head.candidates(outputs)
        return {"boxes": clip_boxes_to_image(boxes, self.size), "scores": scores}


class _Boxes:
    """The mean loss and the average precision of detections."""

    def __init__(self, task: Detection, device: torch.device) -> None:
        self._task = task
        self._sums = torch.zeros(2, dtype=sum_type(device), device=device)
        self._found: list[Detections] = []
        self._real: list[Tensor] = []
        self._precisions: Precisions | None = None

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        with torch.random.fork_rng():  # The loss may draw anchors: each time the same ones.
            torch.manual_seed(0)
            loss, _ = self._task.objective(outputs, targets)
        self._sums += torch.stack((loss, loss.new_full((), len(targets))))
        self._found += [found.cpu() for found in self._task.detections(outputs)]
        self._real += [without_padding(boxes) for boxes in targets.cpu()]

    def result(self, processes: Processes) -> dict[str, float]:
        loss, count = processes.total(self._sums).tolist()
        pairs = processes.gathered((self._found, self._real))
        found = [own for part, _ in pairs for own in part]
        real = [own for _, part in pairs for own in part]
        self._precisions = own = average_precision(found, real, self._task.head.classes)
        scores = {"ap50": own.ap50, "ap": own.ap, "ap75": own.ap75}
        # None: no image has a box.
        return {"loss": loss / count, **{name: value or 0.0 for name, value in scores.items()}}

    def details(self) -> Details:
        precisions = self._precisions
        assert precisions is not None
        return Details(
            "boxes",
            {"ap50": precisions.classes50, "ap": precisions.classes},
            confusion(self._found, self._real, self._task.head.classes, SURE),
            precisions.sizes,
            precisions.curves,
        )
