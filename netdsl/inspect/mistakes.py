"""Predictions on labelled images: the confusion matrix, and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import require_some
from netdsl.language.recipe import View
from netdsl.runtime.views import over_views


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


def answers(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], views: Sequence[View] = ()
) -> Answers:
    """The model's answers for batches of images and labels, in order, without gradients. Raises RunError if
    there are no batches.

    The logits are the means over the `views` of test-time augmentation.
    """
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with evaluating(model), torch.no_grad():
        for images, own in batches:
            (found,) = over_views(lambda view: (model(view),), images, views)
            logits.append(found.cpu())
            labels.append(own.cpu())
    require_some(logits)
    return Answers(torch.cat(logits), torch.cat(labels))


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
