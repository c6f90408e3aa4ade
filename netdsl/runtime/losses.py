"""The losses of classifiers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import Binary, ClassLoss, CrossEntropy, Focal


def per_image(loss: ClassLoss, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """The losses (N,) of logits (N, K) and classes (N,) int64, multiplied by the weights of their classes, of
    `weights` (K,).
    """
    match loss:
        case CrossEntropy(smoothing):
            return F.cross_entropy(logits, targets, weights, reduction="none", label_smoothing=smoothing)
        case Focal(gamma):
            logs = F.log_softmax(logits, 1).gather(1, targets[:, None])[:, 0]
            each = -((1 - logs.exp()) ** gamma) * logs
        case Binary(smoothing):
            smooth = F.one_hot(targets, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
            each = F.binary_cross_entropy_with_logits(logits, smooth.to(logits.dtype), reduction="none").mean(
                1
            )
    return each if weights is None else each * weights[targets]


def class_weights(loss: ClassLoss, counts: Tensor) -> tuple[float, ...]:
    """The weight of each class, for the numbers of training images of each; empty without any.

    Balanced ones are inverse to the numbers, and 1 in the mean over all images.
    """
    if isinstance(loss.weights, tuple):
        return loss.weights
    if loss.weights == "none":
        return ()
    balanced: list[float] = (counts.sum() / (len(counts) * counts.clamp(min=1))).tolist()
    return tuple(balanced)


def tensor(weights: tuple[float, ...], device: torch.device) -> Tensor | None:
    """The weights of `class_weights` for `per_image`."""
    return torch.tensor(weights, device=device) if weights else None
