"""RandAugment (Cubuk et al. 2020): for each image some of fourteen operations, all of one magnitude.

The operations and their strengths are those of torchvision.transforms.v2.RandAugment, which draws once for a
whole batch. Images are float from 0 to 1, (N, C, H, W).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as tv

from netdsl.language.recipe import RandAugment
from netdsl.runtime import image_steps

OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color",
    "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
# The largest magnitude, and the strengths of the operations there.
_MOST = 30
_SHEAR, _TRANSLATION, _DEGREES, _FACTOR, _BITS = 0.3, 150 / 331, 30.0, 0.9, 4


def draw(step: RandAugment, count: int, generator: Generator) -> Tensor:
    """The operations of an epoch, (N, 2, operations) int64: places in `OPERATIONS`, and signs, -1 or 1."""
    size = (count, step.operations)
    kinds = torch.randint(len(OPERATIONS), size, generator=generator)
    signs = 2 * torch.randint(2, size, generator=generator) - 1
    return torch.stack((kinds, signs), 1)


def apply(images: Tensor, step: RandAugment, drawn: Tensor, mean: Tensor) -> Tensor:
    """The images after the operations of `draw`; where they move, the corners have the mean colour."""
    for kinds, signs in drawn.permute(2, 1, 0):
        images = _one(images, kinds, signs, step.magnitude / _MOST, mean)
    return images


def _one(images: Tensor, kinds: Tensor, signs: Tensor, strength: float, mean: Tensor) -> Tensor:
    """An operation for each image, with a strength from 0 to 1. All are computed for all images, since the
    number of images of each operation is known on the device only.
    """
    height, width = images.shape[2:]

    def of(name: str) -> Tensor:
        return kinds == OPERATIONS.index(name)

    def amount(name: str, largest: float) -> Tensor:
        return torch.where(of(name), largest * strength * signs, 0.0)

    def where(name: str, changed: Tensor) -> Tensor:
        return torch.where(of(name)[:, None, None, None], changed, images)

    shear_x, shear_y = amount("shear_x", _SHEAR), amount("shear_y", _SHEAR)
    right = amount("translate_x", _TRANSLATION * width).trunc()
    down = amount("translate_y", _TRANSLATION * height).trunc()
    radians = amount("rotate", math.radians(_DEGREES))
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = radians.cos()
    theta[:, 0, 1] = (shear_x - radians.sin()) * (height / width)
    theta[:, 1, 0] = (shear_y + radians.sin()) * (width / height)
    # Shears keep the upper left corner.
    theta[:, 0, 2] = shear_x * (height / width) - 2 / width * right
    theta[:, 1, 2] = shear_y * (width / height) - 2 / height * down
    moves = (kinds >= OPERATIONS.index("shear_x")) & (kinds <= OPERATIONS.index("rotate"))
    images = torch.where(moves[:, None, None, None], image_steps.moved(images, theta, mean), images)

    colours = ("brightness", "contrast", "color")
    images = image_steps.jitter(images, torch.stack([1 + amount(name, _FACTOR) for name in colours], 1))
    factors = 1 + amount("sharpness", _FACTOR)[:, None, None, None]
    images = where("sharpness", torch.lerp(_blurred(images), images, factors).clamp(0, 1))
    levels = 1 << round(8 - _BITS * strength)
    images = where("posterize", (images * levels).floor().clamp(max=levels - 1) / levels)
    images = where("solarize", torch.where(images >= 1 - strength, 1 - images, images))
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) / torch.where(high == low, 1, high - low)
    images = where("autocontrast", torch.where(high == low, images, stretched))
    return where("equalize", tv.equalize(images))


def _blurred(images: Tensor) -> Tensor:
    """Images whose inner pixels are the mean of 3x3, in which they count five times."""
    if min(images.shape[2:]) <= 2:
        return images
    inner = images[:, :, 1:-1, 1:-1]
    return F.pad((9 * F.avg_pool2d(images, 3, 1) + 4 * inner) / 13 - inner, (1, 1, 1, 1)) + images
