"""The batches of an epoch: which images they are, and the images themselves on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from netdsl.runtime.distributed import World
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files
from netdsl.runtime.images import Split


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's part of a batch of `whole` images, on the device.

    `index` (n,) are its rows in the split, `images` (n, C, H, W) uint8, `labels` (n,) int64.
    """

    index: Tensor
    images: Tensor
    labels: Tensor
    whole: int


def split(order: Tensor, size: int, least: int = 2) -> list[Tensor]:
    """Rows in batches of `size`; the last one may be smaller, but no smaller than `least`.

    Batch norm has no statistics of a single example: one that is left over joins the batch before.
    With several processes that holds for each one's part.
    """
    batches = list(torch.split(order, size))
    if size >= least and len(batches) > 1 and len(batches[-1]) < least:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def require_enough(batch: int, left: int, world: World) -> None:
    """Raises RunError where batches of `batch` out of `left` images are too small to be shared.

    Each process needs two images for its batch norms.
    """
    if world.size > 1 and min(batch, left) < 2 * world.size:
        what = f"a batch of {batch}" if left >= 2 * world.size else f"the epoch's last {left}"
        raise RunError(
            f"{what} images can't be shared by {world.size} processes: each needs two at least",
            f"start at most {max(1, min(batch, left) // 2)}",
        )


def load(
    part: Split, batches: list[Tensor], world: World, device: torch.device, workers: int
) -> Iterator[Batch]:
    """The images of each batch, gathered on the device, or decoded ahead by `workers` processes."""
    if not batches:
        return
    shares = [world.share(batch) for batch in batches]
    # All rows go to the device at once, not a batch at a time.
    rows = torch.cat(shares).to(device).split([len(share) for share in shares])
    images: Iterator[Tensor]
    match part.images:
        case Files() as files:
            images = files.batches(shares, workers, pin=device.type == "cuda")
        case Tensor() as tensor:
            images = (tensor[index] for index in rows)
    for batch, index, pixels in zip(batches, rows, images, strict=True):
        yield Batch(index, pixels.to(device, non_blocking=True), part.labels[index], len(batch))
