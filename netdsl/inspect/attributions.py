"""Attribution maps with captum (the extra `captum`): evidence for and against a class.

Only methods of captum that need nothing but logits: guided backpropagation and DeepLIFT replace activation
modules, which code of the functional style does not have.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn

from netdsl.inspect.layers import evaluating
from netdsl.inspect.scores import require_classes, require_positive, tracked
from netdsl.runtime.extras import require_extra

# The number of images in a batch.
_BATCH = 50


def integrated_gradients(model: nn.Module, images: Tensor, classes: Tensor, steps: int = 50) -> Tensor:
    """The gradient by the pixels, averaged along the path from a black image and multiplied by the image
    (Sundararajan et al. 2017, section 3), summed over channels.

    `images` (N, C, H, W) and `classes` (N,), int64 -> (N, H, W), in logits: the sum of a map is the image's
    score minus that of the black image. Raises RunError if captum is not installed.
    """
    require_positive(steps=steps)
    attribute = _captum().IntegratedGradients(model).attribute
    with evaluating(model):
        images, target = _required(model, images, classes)
        found: Tensor = attribute(images, target=target, n_steps=steps, internal_batch_size=_BATCH)
    return found.detach().sum(1)


def occlusion(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """The decrease of the score if a window is covered with the image's mean colour (Zeiler and Fergus 2014,
    section 4.2): the mean over the windows that cover a pixel.

    The window's sides are a quarter of the image's, and its stride is a quarter of its side. `images`
    (N, C, H, W) and `classes` (N,), int64 -> (N, H, W), in logits. Raises RunError if captum is not
    installed.
    """
    attribute = _captum().Occlusion(model).attribute
    channels, *sides = images.shape[1:]
    window = [max(1, side // 4) for side in sides]
    with evaluating(model), torch.no_grad():
        images, target = _required(model, images, classes)
        mean = images.mean((2, 3), keepdim=True).expand_as(images)
        found: Tensor = attribute(
            images,
            target=target,
            baselines=mean,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *(max(1, side // 4) for side in window)),
            perturbations_per_eval=max(1, _BATCH // len(images)),
        )
    return found[:, 0].to(images.dtype)  # a window covers all channels; captum divides in float32


def _required(model: nn.Module, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Images and classes for captum, checked since its errors are unclear."""
    images = tracked(model, images).detach()
    with torch.no_grad():
        return images, require_classes(model(images), classes)


def _captum() -> ModuleType:
    return require_extra("captum", "captum.attr", "captum", "this method")
