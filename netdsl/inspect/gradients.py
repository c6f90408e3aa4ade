"""Saliency maps from gradients: the pixels that a score depends on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netdsl.inspect.chance import normal, seeded
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.layers import captured, evaluating
from netdsl.inspect.scores import class_scores, require_positive, tracked, with_gradient
from netdsl.runtime.errors import RunError


def saliency(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """The gradient of the score of each image's class by its pixels: the largest magnitude over channels
    (Simonyan et al. 2013, section 3.1).

    `images` (N, C, H, W) and `classes` (N,), int64 -> (N, H, W), in logits per unit of brightness. Like all
    functions of images and classes, raises RunError if there are no images, not one class for each, or a
    class is unknown.
    """
    with evaluating(model):
        return _by_pixels(model, images, classes).abs().amax(1)


def smooth_grad(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    noise: float = 0.15,
    samples: int = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`saliency` of the mean gradient at noisy copies of each image (Smilkov et al. 2017, section 2.2).

    Gradients are averaged with their signs, as in the paper's formula; the magnitude is taken afterwards.
    The noise is Gaussian; its deviation is relative to the range of each image's brightness. The paper uses
    0.1 to 0.2, and 50 samples. The default seed is 0.
    """
    require_positive(samples=samples)
    generator = seeded(generator)
    images = images.detach()
    ranges = images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True)
    with evaluating(model):
        total = torch.zeros_like(images)
        for _ in range(samples):
            total += _by_pixels(model, images + noise * ranges * normal(images, generator), classes)
    return (total / samples).abs().amax(1)


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor, layer: str | None = None) -> Tensor:
    """The positions in a feature map with evidence for each image's class: ReLU of the sum of its channels,
    each weighted by the mean gradient of the score by it (Selvaraju et al. 2017, equations 1 and 2).

    `images` (N, C, H, W) and `classes` (N,), int64 -> (N, h, w), the grid of the layer. The default layer of
    an `Inspected` is its last feature map before the head. Raises RunError if the layer or the class is
    unknown, or the layer is not a feature map.
    """
    name = last_layer(model) if layer is None else layer
    with evaluating(model), captured(model, [name]) as seen, torch.enable_grad():
        score = class_scores(model(tracked(model, images)), classes).sum()
        features = seen.get(name)
        if features is None or features.dim() != 4:
            raise RunError(
                f"layer `{name}` is not a feature map: it has no height and width", _way_out(model)
            )
        (gradient,) = torch.autograd.grad(score, features)
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * features.detach()).sum(1).relu()


def last_layer(model: nn.Module) -> str:
    """The default layer of Grad-CAM. Raises RunError if there is none."""
    if not isinstance(model, Inspected):
        raise RunError("the network's last feature map is unknown", "name a `layer`")
    if model.feature_map is None:
        raise RunError(
            f"`{model.network.name}` has no feature map, and Grad-CAM needs one",
            "use the method `simple` or `smooth-grad`",
        )
    return model.feature_map.name


def _way_out(model: nn.Module) -> str:
    if isinstance(model, Inspected) and model.feature_map:
        return f"the last feature map is `{model.feature_map.name}`"
    return "name a layer whose output is (N, C, H, W)"


def _by_pixels(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """The gradient of the score of each image's class by the image, (N, C, H, W)."""
    _, gradient = with_gradient(model, images, lambda logits: class_scores(logits, classes))
    return gradient
