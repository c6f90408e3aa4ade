"""Style transfer: an image with the content of one image and the style of another.

Gatys, Ecker and Bethge 2015, "A Neural Algorithm of Artistic Style". Content is the feature map of a layer;
style is the correlation of its channels, independent of position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from netdsl.inspect.chance import seeded, uniform
from netdsl.inspect.layers import activations, evaluating
from netdsl.inspect.scores import tracked
from netdsl.ir.layer_names import Layer, feature_maps
from netdsl.ops import OPERATIONS
from netdsl.runtime.errors import RunError

# The learning rate of Adam at the start; it decays to 0 along a cosine.
_STEP_SIZE = 0.05
# The lower bound of sums of squares in denominators, for layers that are zero.
_LEAST = 1e-12


class Losses(NamedTuple):
    """The unweighted losses of `transfer`: for each image (N,), and for its style by layer (N, layers)."""

    content: Tensor
    style: Tensor
    variation: Tensor


class Transferred(NamedTuple):
    """`images` (N, C, H, W) from 0 to 1, and their losses before each step and after the last one."""

    images: Tensor
    losses: list[Losses]


class StyleLayers(NamedTuple):
    """The names of the layers in which content and style are compared."""

    content: str
    style: tuple[str, ...]


class LossWeights(NamedTuple):
    """The weights of the losses."""

    content: float = 1.0
    style: float = 100.0
    variation: float = 10.0


BALANCED = LossWeights()


def gram(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, C): products of channels, summed over positions and divided by C*H*W.

    Equation 3; divided as in the assignments of CS231n and EECS 498, so that images of all sizes compare.
    """
    rows = features.flatten(2)
    return rows @ rows.mT / (rows.shape[1] * rows.shape[2])


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """The squared distance of maps (N, C, H, W) from those of the content, relative to the square of these.

    (N,). Equation 1 has half of the absolute distance; here one weight suits all networks and layers.
    """
    return _relative(features, target)


def style_loss(features: Sequence[Tensor], grams: Sequence[Tensor]) -> Tensor:
    """For each image and layer, (N, layers), the squared distance of the Gram matrix of its maps from that
    of the style, (N or 1, C, C), relative to the square of this.

    Equations 4 and 5, where the layers' weights w_l are free: they are 1 / |A_l|^2 up to a constant.
    """
    return torch.stack(
        [_relative(gram(maps), wanted) for maps, wanted in zip(features, grams, strict=True)], 1
    )


def total_variation(images: Tensor) -> Tensor:
    """The sum of squared differences of neighbours below and beside each other, divided by the C*H*W of an
    image: (N, C, H, W) -> (N,). The assignments of CS231n and EECS 498 have the sum.
    """
    below, beside = images.diff(dim=2), images.diff(dim=3)
    return (_squares(below) + _squares(beside)) / images[0].numel()


def transfer(
    model: nn.Module,
    content: Tensor,
    style: Tensor,
    layers: StyleLayers,
    weights: LossWeights = BALANCED,
    *,
    steps: int = 200,
    noise: float = 0.3,
    generator: torch.Generator | None = None,
    after_step: Callable[[], object] = lambda: None,
) -> Transferred:
    """Images with the content of `content` (N, C, H, W) and the style of `style` (N or 1, C, h, w), both
    from 0 to 1.

    Lowers the weighted sum of `content_loss`, the mean of `style_loss` over its layers and `total_variation`,
    by Adam, with pixels clamped to 0..1. It starts with the content, mixed with the fraction `noise` of
    uniform noise: 0 is the content, 1 the white noise of the paper. Without noise, a flat area has the same
    gradient everywhere and becomes a grid. The default seed is 0. Images do not depend on the others of their
    batch, except for the noise.

    The network runs only up to the last of the layers, so that images may have any size if the layers before
    are convolutions. Raises RunError if the network can't take the images, a layer is unknown or is not a
    feature map, or the losses are not finite.
    """
    names = (layers.content, *layers.style)
    history: list[Losses] = []

    def seen() -> Losses:
        of_content, *of_style = _maps(model, image, names)
        return Losses(content_loss(of_content, wanted), style_loss(of_style, grams), total_variation(image))

    with evaluating(model), torch.no_grad():
        content, style = (tracked(model, images).detach() for images in (content, style))
        started = content + noise * (uniform(content, seeded(generator)) - content)
        image = started.clone().requires_grad_()
        optimizer = torch.optim.Adam([image], _STEP_SIZE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        (wanted,) = _maps(model, content, [layers.content])
        grams = [gram(maps) for maps in _maps(model, style, layers.style)]
        for _ in range(steps):
            with torch.enable_grad(), _fitting(content):
                losses = seen()
                total = weights.content * losses.content + weights.style * losses.style.mean(1)
                total = (total + weights.variation * losses.variation).sum()
                # Scaled by the number of pixels, since gradients would be close to Adam's epsilon otherwise.
                (image.grad,) = torch.autograd.grad(total * content[0].numel(), image)
            optimizer.step()
            schedule.step()
            image.clamp_(0, 1)
            history.append(Losses(*(part.detach() for part in losses)))
            after_step()
        history.append(seen())
    if not image.isfinite().all():
        raise RunError("the losses are not finite", "use smaller weights")
    return Transferred(image.detach(), history)


def style_layers(found: Sequence[Layer]) -> StyleLayers:
    """The default layers of a network.

    Style: the first activation at each resolution. Content: the second one at the last resolution but one.
    In VGG-19 these are the paper's: conv1_1 to conv5_1, and conv4_2. Raises RunError if there are no maps.
    """
    maps = feature_maps(found)
    if not maps:
        raise RunError("the network has no feature maps", "use a network with convolutions")
    levels = [_activations(list(level)) for _, level in groupby(maps, lambda layer: layer.output[1:])]
    chosen = levels[-2:][0]
    return StyleLayers(chosen[:2][-1].name, tuple(level[0].name for level in levels))


def _activations(level: list[Layer]) -> list[Layer]:
    """The layers of a resolution that are activations; all of them if none is."""
    return [
        each for each in level if each.kind in OPERATIONS and OPERATIONS[each.kind].is_activation
    ] or level


def _relative(tensors: Tensor, wanted: Tensor) -> Tensor:
    return _squares(tensors - wanted) / _squares(wanted).clamp(min=_LEAST)


def _squares(tensors: Tensor) -> Tensor:
    return tensors.square().flatten(1).sum(1)


def _maps(model: nn.Module, images: Tensor, names: Sequence[str]) -> list[Tensor]:
    """The feature maps of layers for images. Raises RunError if a layer's output is not a feature map."""
    with _fitting(images):
        seen = activations(model, images, names)
    for name in names:
        if seen[name].dim() != 4:
            raise RunError(f"layer `{name}` is not a feature map", "name a layer before `flatten`")
    return [seen[name] for name in names]


@contextmanager
def _fitting(images: Tensor) -> Iterator[None]:
    """Replaces torch's errors by one that names the images' size, which differs from the network's."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        size = "x".join(map(str, images.shape[1:]))
        raise RunError(
            f"the network can't run an image of {size} up to those layers: {reason}",
            "use another size, or earlier layers",
        ) from error
