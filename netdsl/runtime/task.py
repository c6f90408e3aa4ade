"""Tasks: what a network's outputs mean, and by which figure its epochs are ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.distributed import Processes

# One tensor, or those that `output` names, in its order.
Outputs: TypeAlias = "Tensor | tuple[Tensor, ...]"


class Scoring(Protocol):
    """Collects the outputs for the images of a split."""

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        """Adds a batch: outputs in float32, and what they should be."""

    def result(self, processes: Processes) -> dict[str, float]:
        """The scores over the images of all processes: `loss`, then the task's metric, then others."""


class Task(Protocol):
    """What the outputs of a network mean.

    `metric` names the score by which the best epoch is chosen, from 0 to 1. `figures` are what a training
    step counts beside its loss; the metric may be one of them.
    """

    @property
    def metric(self) -> str: ...

    @property
    def figures(self) -> tuple[str, ...]: ...

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of a batch, summed over its images, and likewise the figures, (k,)."""

    def example(self, count: int, device: torch.device) -> Tensor:
        """Targets of any `count` images, to measure the time of a step."""

    def scoring(self, device: torch.device) -> Scoring:
        """A new collection of scores."""


@dataclass(frozen=True, slots=True)
class Classification:
    """One class for each image: targets are (N,) int64, outputs logits (N, classes).

    The loss is cross entropy, in training with label smoothing (Szegedy et al. 2016, section 7).
    """

    smoothing: float = 0.0
    metric = "accuracy"
    figures = ("accuracy",)

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = _single(outputs).float()
        loss = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=self.smoothing)
        return loss, (logits.argmax(1) == targets).sum()[None].float()

    def example(self, count: int, device: torch.device) -> Tensor:
        return torch.zeros(count, dtype=torch.int64, device=device)

    def scoring(self, device: torch.device) -> Scoring:
        return _ClassScores(device)


CLASSIFICATION = Classification()


class _ClassScores:
    """Mean cross entropy (without label smoothing) and accuracy."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        logits = _single(outputs)
        loss = F.cross_entropy(logits, targets, reduction="sum")
        right = (logits.argmax(1) == targets).sum()
        self._sums += torch.stack((loss, right, right.new_tensor(len(targets))))

    def result(self, processes: Processes) -> dict[str, float]:
        loss, right, count = processes.total(self._sums).tolist()
        return {"loss": loss / count, "accuracy": right / count}


def _single(outputs: Outputs) -> Tensor:
    """The first output: others have no part in this task."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]
