"""Scores of classes and their gradients by the images, shared by all methods with gradients.

A score is a logit, not a probability, which also rises if the scores of other classes fall (Simonyan et al.
2013, section 2). Images of a batch don't affect each other, so one backward pass is enough for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sized

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.runtime.errors import RunError


def class_scores(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of each image's class: (N, K) and (N,), int64 -> (N,). Raises RunError as `require_classes`
    does.
    """
    return logits.gather(1, require_classes(logits, classes)[:, None])[:, 0]


def require_classes(logits: Tensor, classes: Tensor) -> Tensor:
    """Checks the numbers `classes` (N,). Raises RunError unless there is one for each row of the logits
    (N, K), int64 and from 0 to K - 1.
    """
    if logits.dim() != 2:
        raise RunError(f"the network returns {_shape(logits)}, not logits of (N, classes)")
    if classes.dtype is not torch.int64 or classes.shape != logits.shape[:1]:
        kind = str(classes.dtype).removeprefix("torch.")
        raise RunError(
            f"there are {len(logits)} images, but the classes are {_shape(classes)} of {kind}",
            "pass a number for each image, (N,) of int64",
        )
    count = logits.shape[1]
    if ((classes < 0) | (classes >= count)).any():
        raise RunError(f"the network has {count} classes", f"use numbers from 0 to {count - 1}")
    return plain(classes)


def require_some(images: Sized) -> None:
    """Raises RunError if the batch is empty."""
    if not len(images):
        raise RunError("there are no images", "pass at least one")


def require_positive(**counts: int) -> None:
    """Raises RunError if a count is less than 1."""
    for name, count in counts.items():
        if count < 1:
            raise RunError(f"`{name}={count}` is too small", "use 1 or more")


def plain(tensor: Tensor) -> Tensor:
    """The tensor, or a copy if it was created in `torch.inference_mode`, for gradients."""
    return tensor.clone() if tensor.is_inference() else tensor


def tracked(model: nn.Module, images: Tensor) -> Tensor:
    """The images with gradients enabled. To be called inside `evaluating`. Raises RunError if there are none,
    or the weights were created in `torch.inference_mode`.
    """
    require_some(images)
    if any(weight.is_inference() for weight in model.parameters()):
        raise RunError("the network was created in `torch.inference_mode`", "create it outside")
    return plain(images).detach().requires_grad_()


def with_gradient(
    model: nn.Module, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The logits of images, (N, K), and the gradients by the images of `objective`, (N, K) -> (N,). To be
    called inside `evaluating`.
    """
    with torch.enable_grad():
        x = tracked(model, images)
        logits: Tensor = model(x)
        (gradient,) = torch.autograd.grad(objective(logits).sum(), x)
    return logits.detach(), gradient


def unit(gradients: Tensor) -> Tensor:
    """Each image's gradient normalised to length 1 (L2); zero gradients stay zero."""
    # In float64, so that squares of small numbers are not zero.
    rows = gradients.flatten(1).double()
    return F.normalize(rows, eps=torch.finfo(rows.dtype).tiny).view(gradients.shape).to(gradients.dtype)


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
