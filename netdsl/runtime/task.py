"""Tasks: what a network's outputs mean, and by which figure its epochs are ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import ClassLoss, CrossEntropy, CutMix, MixUp, Recipe
from netdsl.runtime import losses
from netdsl.runtime.distributed import Processes
from netdsl.runtime.model import Outputs, all_outputs


@dataclass(frozen=True, slots=True)
class Details:
    """The scores of the classes, 0 to 1, by name; None for a class that no image has.

    `things` are what is counted, such as boxes. `confusion`, (K, K) int64, counts them by their class (row)
    and by the one that the network takes them for (column); a further row and column stand for nothing.
    `sizes` are scores of small, medium and large things, if the task has them, `curves`, (K, R), the
    precisions of each class at each recall.
    """

    things: str
    classes: Mapping[str, tuple[float | None, ...]]
    confusion: Tensor
    sizes: Mapping[str, float | None] | None = None
    curves: Tensor | None = None

    @property
    def counts(self) -> list[int]:
        """The number of things of each class."""
        of_all: list[int] = self.confusion.sum(1).tolist()
        return of_all[: len(next(iter(self.classes.values())))]


class Scoring(Protocol):
    """Collects the outputs for the images of a split."""

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        """Adds a batch: outputs in float32, and what they should be."""

    def result(self, processes: Processes) -> dict[str, float]:
        """The scores over the images of all processes: `loss`, then the task's metric, then others."""

    def details(self) -> Details:
        """The scores behind those of `result`, which one process has called."""


class Task(Protocol):
    """Meaning of the outputs of a network.

    `metric` names the score by which the best epoch is chosen, from 0 to 1; it is `enough` on images that a
    network has learned by heart. `figures` are what a training step counts beside its loss; the metric may
    be one of them. `guesses` is whether the loss is a cross entropy: ln(classes) for a network that guesses.
    """

    @property
    def metric(self) -> str: ...

    @property
    def enough(self) -> float: ...

    @property
    def figures(self) -> tuple[str, ...]: ...

    @property
    def guesses(self) -> bool: ...

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of a batch, summed over its images, and likewise the figures, (k,)."""

    def example(self, count: int, device: torch.device) -> Tensor:
        """Targets of any `count` images, to measure the time of a step."""

    def scoring(self, device: torch.device) -> Scoring:
        """A new collection of scores."""

    def decoded(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The outputs as other programs need them, by name; none if that is as the network returns them."""


@dataclass(frozen=True, slots=True)
class Classification:
    """One class for each image: targets are (N,) int64, outputs logits (N, classes).

    The loss is that of the recipe; `weights` are those of the classes, if any; in training
    classes may be `mixed`, (N, 3) as `augment.apply` returns them. In training the losses of
    further outputs that are logits, as of auxiliary heads, have the weight `aux`: the gradient is that of the
    sum, the value that of the first output, so that it can be compared with other networks.
    """

    loss: ClassLoss = CrossEntropy()
    weights: tuple[float, ...] = ()
    mixed: bool = False
    metric = "accuracy"
    enough = 0.99
    figures = ("accuracy",)

    @property
    def guesses(self) -> bool:
        return isinstance(self.loss, CrossEntropy)

    def objective(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        every = all_outputs(outputs)
        weights = losses.tensor(self.weights, every[0].device)

        first, second, share = targets, targets, None
        if targets.dim() == 2:  # Mixed: the class, that of the image mixed in, the share of the first.
            (first, second), share = targets[:, :2].long().unbind(1), targets[:, 2]

        def loss(logits: Tensor) -> Tensor:
            each = losses.per_image(self.loss, logits.float(), first, weights)
            if share is not None:
                others = losses.per_image(self.loss, logits.float(), second, weights)
                each = share * each + (1 - share) * others
            return each.sum()

        likely = first if share is None else torch.where(share < 0.5, second, first)
        right = (every[0].argmax(1) == likely).sum()[None].float()
        return with_auxiliary(loss, every, self.loss.aux), right

    def example(self, count: int, device: torch.device) -> Tensor:
        if self.mixed:
            return torch.zeros(count, 3, device=device)
        return torch.zeros(count, dtype=torch.int64, device=device)

    def scoring(self, device: torch.device) -> Scoring:
        return _ClassScores(device)

    def decoded(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {}


CLASSIFICATION = Classification()


def classification(recipe: Recipe, labels: Tensor | None = None) -> Classification:
    """Classification with the loss of a recipe, whose weights of classes can depend on the training's
    `labels`, (N,) int64.
    """
    assert isinstance(recipe.loss, ClassLoss)
    weights = () if labels is None else losses.class_weights(recipe.loss, labels.bincount())
    mixed = any(isinstance(step, MixUp | CutMix) for step in recipe.augment)
    return Classification(recipe.loss, weights, mixed)


def with_auxiliary(loss: Callable[[Tensor], Tensor], outputs: Sequence[Tensor], aux: float) -> Tensor:
    """The loss of the first output, with the gradients of those of further outputs that are scores of as many
    classes, as of auxiliary heads, which have the weight `aux`.
    """
    first, *others = outputs
    total = loss(first)
    for other in others:
        if other.shape[:2] == first.shape[:2] and other.dim() == first.dim():
            further = loss(other)
            total = total + aux * (further - further.detach())
    return total


# Of more classes the share of images whose class is among the five of the largest scores is of interest.
_MANY = 10


class _ClassScores:
    """Mean cross entropy, whatever the training's loss is, accuracy, and top-5 of more than ten classes."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=sum_type(device), device=device)
        self._confusion = torch.zeros(0, 0, dtype=torch.int64, device=device)
        self._top5 = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, outputs: Outputs, targets: Tensor) -> None:
        logits = all_outputs(outputs)[0]
        self._loss += F.cross_entropy(logits, targets, reduction="sum")
        self._confusion = counted(self._confusion, targets, logits)
        if logits.shape[1] > _MANY:
            self._top5 += (logits.topk(5).indices == targets[:, None]).sum()

    def result(self, processes: Processes) -> dict[str, float]:
        right, count = self._confusion.trace(), self._confusion.sum()
        sums = processes.total(torch.stack((self._loss, right, count, self._top5)))
        loss, right, count, top5 = sums.tolist()
        scores = {"loss": loss / count, "accuracy": right / count}
        return scores | ({"top5": top5 / count} if len(self._confusion) > _MANY else {})

    def details(self) -> Details:
        confusion = self._confusion.cpu()
        pairs = zip(confusion.diag().tolist(), confusion.sum(1).tolist(), strict=True)
        shares = tuple(right / count if count else None for right, count in pairs)
        return Details("images", {"accuracy": shares}, confusion)


def sum_type(device: torch.device) -> torch.dtype:
    """The type of sums over many images: float64, which GPUs of Apple don't have."""
    return torch.float32 if device.type == "mps" else torch.float64


def counted(confusion: Tensor, targets: Tensor, logits: Tensor) -> Tensor:
    """A confusion matrix with more predictions: targets (N, ...) and logits (N, K, ...); negative targets
    don't count. An empty matrix is that of no predictions. The device is not synchronised.
    """
    classes = logits.shape[1]
    if not len(confusion):
        confusion = confusion.new_zeros(classes, classes)
    real = targets >= 0
    pairs = (targets.clamp(min=0) * classes + logits.argmax(1)).flatten()
    added = confusion.flatten().index_add(0, pairs, real.flatten().to(confusion.dtype))
    return added.view(classes, classes)
