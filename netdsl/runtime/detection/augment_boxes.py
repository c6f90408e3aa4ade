"""Random augmentation of images together with their boxes, by numbers that are drawn in advance.

Images are float, (N, C, H, W), boxes (N, M, 5) in their pixels, padded with -1. A box that is lost becomes
padding, where it is. All tensors must be on one device; it is not synchronised.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

# The part of a box's area that must stay inside the image; with less it is lost.
_LEAST = 0.25


def flip(images: Tensor, boxes: Tensor, drawn: Tensor, vertical: bool = False) -> tuple[Tensor, Tensor]:
    """Images mirrored left to right, or top to bottom, where `drawn`, (N,) bool, and their boxes."""
    left, top, right, bottom, kind = boxes.unbind(2)
    dim = 2 if vertical else 3
    length = images.shape[dim]
    sides = (left, length - bottom, right, length - top)
    mirrored = torch.stack(sides if vertical else (length - right, top, length - left, bottom), 2)
    mirrored = torch.cat((mirrored, kind[:, :, None]), 2)
    real = drawn[:, None, None] & (boxes[:, :, 4:] >= 0)
    return torch.where(drawn[:, None, None, None], images.flip(dim), images), torch.where(
        real, mirrored, boxes
    )


def draw_zoom(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """The draws of `zoom` for `count` images, (N, 3) float32: factors from `low` to `high`, whose logarithms
    are evenly distributed, and places in x and y, 0 to 1.
    """
    drawn = torch.rand(count, 3, generator=generator)
    drawn[:, 0] = (math.log(low) + drawn[:, 0] * (math.log(high) - math.log(low))).exp()
    return drawn


def zoom(
    images: Tensor,
    boxes: Tensor,
    drawn: Tensor,
    mean: Tensor,
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> tuple[Tensor, Tensor]:
    """Images scaled by a factor, and their boxes; `drawn` is of `draw_zoom`.

    Enlarged images are cropped at the place, smaller ones are put there on a canvas of the `mean` colour,
    (C,). Boxes are clipped; those that lose three quarters of their area or more are lost.
    """
    height, width = images.shape[2:]
    factor, place = drawn[:, :1], drawn[:, 1:]
    # A point p moves to factor * p + place * (1 - factor) * (width, height).
    shift = place * (1 - factor)
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / factor[:, 0]
    theta[:, :, 2] = (1 - 2 * shift) / factor - 1
    grid = F.affine_grid(theta, list(images.shape), align_corners=False).to(images.dtype)
    fill = mean[:, None, None].to(images.dtype)
    zoomed = F.grid_sample(images - fill, grid, mode, align_corners=False) + fill
    offset = torch.stack((shift[:, 0] * width, shift[:, 1] * height), 1).repeat(1, 2)[:, None]
    moved = factor[:, None] * boxes[:, :, :4] + offset
    clipped = torch.stack((moved[..., ::2].clamp(0, width), moved[..., 1::2].clamp(0, height)), 3).flatten(2)
    real = (boxes[:, :, 4] >= 0) & (_area(clipped) > _LEAST * _area(moved))
    found = torch.cat((clipped, boxes[:, :, 4:]), 2)
    return zoomed, torch.where(real[:, :, None], found, -1.0)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
