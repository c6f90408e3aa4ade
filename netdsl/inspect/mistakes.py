"""What a network takes images for: which classes it confuses, and where it is wrong and sure of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import require_some


class Answers(NamedTuple):
    """What a network says of images: `logits` (N, K), and their `labels`, (N,) int64; on the CPU."""

    logits: Tensor
    labels: Tensor

    @property
    def predicted(self) -> Tensor:
        """The class of each image's largest logit, (N,) int64."""
        return self.logits.argmax(1)


class Mistake(NamedTuple):
    """An image that was taken for another class; `probability` is what its softmax gives to that class."""

    row: int
    label: int
    predicted: int
    probability: float


def answers(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], flip: bool = False) -> Answers:
    """What the model says of batches of images and labels, in their order, without gradients. Raises
    RunError where there is none.

    `flip`: the logits of an image are the mean of its own and of its mirror image's, as in `tta flip`.
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
    """float32 at least: under autocast they are bfloat16."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def confusion(answers: Answers) -> Tensor:
    """How many images of each class (row) were taken for each class (column), (K, K) int64."""
    classes = answers.logits.shape[1]
    pairs = answers.labels * classes + answers.predicted
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def most_confident_mistakes(answers: Answers, count: int) -> list[Mistake]:
    """The wrong answers with the largest probabilities, the largest first."""
    predicted = answers.predicted
    # In float64: in float32 many a probability would be 1.
    shares = answers.logits.double().softmax(1).gather(1, predicted[:, None])[:, 0]
    wrong = (predicted != answers.labels).nonzero()[:, 0]
    order = wrong[shares[wrong].argsort(descending=True, stable=True)][:count]
    columns = (order, answers.labels[order], predicted[order], shares[order])
    return [Mistake(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
