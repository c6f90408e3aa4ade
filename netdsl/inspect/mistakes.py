"""Predictions on labelled images: the confusion matrix, and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import require_some


class Answers(NamedTuple):
    """A network's `logits` (N, K) for images, and their `labels`, (N,) int64; on the CPU."""

    logits: Tensor
    labels: Tensor

    @property
    def predicted(self) -> Tensor:
        """The class of each image's largest logit, (N,) int64."""
        return self.logits.argmax(1)


class Mistake(NamedTuple):
    """A misclassified image; `probability` is that of the predicted class."""

    row: int
    label: int
    predicted: int
    probability: float


def answers(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], flip: bool = False) -> Answers:
    """The model's answers for batches of images and labels, in order, without gradients. Raises RunError if
    there are no batches.

    `flip`: the logits are the mean of those for the image and its mirror image, as in `tta flip`.
    """
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with evaluating(model), torch.no_grad():
        for images, own in batches:
            found = _precise(model(images))
            logits.append(((found + _precise(model(images.flip(3)))) / 2 if flip else found).cpu())
            labels.append(own.cpu())
    require_some(logits)
    return Answers(torch.cat(logits), torch.cat(labels))


def _precise(logits: Tensor) -> Tensor:
    """Logits in at least float32; under autocast they are bfloat16."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def confusion(answers: Answers) -> Tensor:
    """The confusion matrix: images of each class (row) by predicted class (column), (K, K) int64."""
    classes = answers.logits.shape[1]
    pairs = answers.labels * classes + answers.predicted
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def most_confident_mistakes(answers: Answers, count: int) -> list[Mistake]:
    """The wrong answers with the largest probabilities, the largest first."""
    predicted = answers.predicted
    # In float32 many probabilities would round to 1.
    shares = answers.logits.double().softmax(1).gather(1, predicted[:, None])[:, 0]
    wrong = (predicted != answers.labels).nonzero()[:, 0]
    order = wrong[shares[wrong].argsort(descending=True, stable=True)][:count]
    columns = (order, answers.labels[order], predicted[order], shares[order])
    return [Mistake(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
