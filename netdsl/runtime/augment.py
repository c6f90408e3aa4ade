"""Random changes to a batch of images, each image its own. All take and give (N, C, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netdsl.recipe import Crop, Cutout, Flip


def augment(
    images: Tensor, steps: tuple[Flip | Crop | Cutout, ...], mean: Tensor, generator: Generator
) -> Tensor:
    """The steps of a recipe in their order; `mean`, one a channel, is what cutout fills in.

    `generator` must live on the device of the images.
    """
    for step in steps:
        match step:
            case Flip():
                images = flip(images, generator)
            case Crop(padding):
                images = crop(images, padding, generator)
            case Cutout(size):
                images = cutout(images, size, mean, generator)
    return images


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Each image mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def crop(images: Tensor, padding: int, generator: Generator) -> Tensor:
    """`padding` black pixels on every side, then a random crop of the old size."""
    count, _, height, width = images.shape
    top, left = _integers(2 * padding + 1, 2 * padding + 1, count, images.device, generator)
    rows = top[:, None, None] + torch.arange(height, device=images.device)[:, None]
    columns = left[:, None, None] + torch.arange(width, device=images.device)
    each = torch.arange(count, device=images.device)[:, None, None]
    # Indices with a slice between them put the channels last: (N, H, W, C).
    return F.pad(images, (padding,) * 4)[each, :, rows, columns].permute(0, 3, 1, 2)


def cutout(images: Tensor, size: int, mean: Tensor, generator: Generator) -> Tensor:
    """A square of `size` pixels around a random pixel, clipped at the edges, set to the mean."""
    count, _, height, width = images.shape
    y, x = _integers(height, width, count, images.device, generator)
    rows = torch.arange(height, device=images.device) - y[:, None] + size // 2
    columns = torch.arange(width, device=images.device) - x[:, None] + size // 2
    inside_rows = (rows >= 0) & (rows < size)
    inside_columns = (columns >= 0) & (columns < size)
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return torch.where(inside, mean[:, None, None], images)


def _integers(
    rows: int, columns: int, count: int, device: torch.device, generator: Generator
) -> tuple[Tensor, Tensor]:
    """For each image a whole number below `rows` and one below `columns`."""
    y = torch.randint(rows, (count,), generator=generator, device=device)
    return y, torch.randint(columns, (count,), generator=generator, device=device)
