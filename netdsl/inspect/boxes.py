"""Scores of a detector's boxes as those of classes, for all methods that explain the score of a class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from netdsl.inspect.inspected import Inspected
from netdsl.runtime.detection.boxes import keep_best
from netdsl.runtime.detection.task import Detection


class Box(NamedTuple):
    """A box that is found, (4,) in pixels, with its class and score; `number` is that of its score among the
    scores of all candidates.
    """

    corners: Tensor
    kind: int
    score: float
    number: int


class Boxes:
    """The boxes of a detector. Its model returns the scores of all candidates by class as logits, (N, L * K):
    the logit of a box's score has the number `Box.number`.
    """

    def __init__(self, model: Inspected, task: Detection) -> None:
        self._model, self._task = model, task
        model.read_scores = self._logits

    def _logits(self, outputs: tuple[Tensor, ...]) -> Tensor:
        _, scores = self._task.head.candidates(outputs)
        return scores.flatten(1).logit(eps=1e-6)

    @torch.no_grad()
    def found(self, image: Tensor, kind: int | None = None) -> list[Box]:
        """The boxes in an image (C, H, W), of one class if given, the surest first."""
        boxes, scores = self._task.head.candidates(
            self._model.outputs(image[None].to(self._model.mean.device))
        )
        (kept,) = keep_best(boxes, scores, self._task.size, self._task.least, self._task.overlap)
        found = []
        for corners, score, own in zip(kept.boxes.cpu(), kept.scores, kept.classes.tolist(), strict=True):
            place = int((scores[0, :, own] == score).int().argmax())
            found.append(Box(corners, own, float(score), place * scores.shape[2] + own))
        return [box for box in found if kind in (None, box.kind)]
