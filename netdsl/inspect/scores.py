"""Scores of classes, and gradients by the images: what the methods that follow a gradient share.

A score is a logit, not a probability: that rises too where the scores of the other classes fall (Simonyan
et al. 2013, section 2). Images of a batch don't affect each other, so one backward pass does for all.
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
    """The numbers `classes` (N,), for operations that gradients pass. Raises RunError where they aren't one
    for each row of the logits (N, K), int64 and from 0 to K - 1.
    """
    if logits.dim() != 2:
        raise RunError(f"the network gives {_shape(logits)} and not logits of (N, classes)")
    if classes.dtype is not torch.int64 or classes.shape != logits.shape[:1]:
        kind = str(classes.dtype).removeprefix("torch.")
        raise RunError(
            f"there are {len(logits)} images, and the classes are {_shape(classes)} of {kind}",
            "a number for each image, (N,) of int64",
        )
    count = logits.shape[1]
    if ((classes < 0) | (classes >= count)).any():
        raise RunError(f"the network has {count} classes", f"they are 0 to {count - 1}")
    return plain(classes)


def require_some(images: Sized) -> None:
    """Raises RunError where the batch is empty: there is no map, and no attack, of no images."""
    if not len(images):
        raise RunError("there are no images", "give one at least")


def require_positive(**counts: int) -> None:
    """Raises RunError where something is to be done less than once."""
    for name, count in counts.items():
        if count < 1:
            raise RunError(f"`{name}={count}` makes no sense", "1 is the least")


def plain(tensor: Tensor) -> Tensor:
    """The tensor; a copy where it was made in `torch.inference_mode`: no gradient passes those."""
    return tensor.clone() if tensor.is_inference() else tensor


def tracked(model: nn.Module, images: Tensor) -> Tensor:
    """The images, for gradients by them. To be called inside `evaluating`. Raises RunError where there are
    none, and where no gradient passes the weights.
    """
    require_some(images)
    if any(weight.is_inference() for weight in model.parameters()):
        raise RunError("the network was made in `torch.inference_mode`", "make it outside")
    return plain(images).detach().requires_grad_()


def with_gradient(
    model: nn.Module, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The logits of images, (N, K), and for each image the gradient by it of what `objective` makes of
    them, (N, K) -> (N,); of the images' shape. To be called inside `evaluating`.
    """
    with torch.enable_grad():
        x = tracked(model, images)
        logits: Tensor = model(x)
        (gradient,) = torch.autograd.grad(objective(logits).sum(), x)
    return logits.detach(), gradient


def unit(gradients: Tensor) -> Tensor:
    """Each image's gradient with the length 1 (L2); zero where it is zero."""
    # In float64, where the squares of small numbers aren't zero.
    rows = gradients.flatten(1).double()
    return F.normalize(rows, eps=torch.finfo(rows.dtype).tiny).view(gradients.shape).to(gradients.dtype)


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
