"""Scores of classes, and gradients by the images: what the methods that follow a gradient share.

A score is a logit, not a probability: that rises too where the scores of the other classes fall (Simonyan
et al. 2013, section 2). Images of a batch don't affect each other, so one backward pass does for all.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.runtime.errors import RunError


def class_scores(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of each image's class: (N, K) and (N,), int64 -> (N,). Raises RunError where there is no
    such class.
    """
    count = logits.shape[1]
    if ((classes < 0) | (classes >= count)).any():
        raise RunError(f"the network has {count} classes", f"they are 0 to {count - 1}")
    return logits.gather(1, classes[:, None])[:, 0]


def with_gradient(
    model: nn.Module, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The logits of images, (N, K), and for each image the gradient by it of what `objective` makes of
    them, (N, K) -> (N,); of the images' shape. To be called inside `evaluating`.
    """
    with torch.enable_grad():
        x = images.detach().requires_grad_()
        logits: Tensor = model(x)
        (gradient,) = torch.autograd.grad(objective(logits).sum(), x)
    return logits.detach(), gradient


def unit(gradients: Tensor) -> Tensor:
    """Each image's gradient with the length 1 (L2); zero where it is zero."""
    # In float64, where the squares of small numbers aren't zero.
    rows = gradients.flatten(1).double()
    return F.normalize(rows, eps=torch.finfo(rows.dtype).tiny).view(gradients.shape).to(gradients.dtype)
