"""The batches of an epoch: the rows of their images, and the images on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files
from netdsl.runtime.images import Split


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's part of a batch of `whole` images, on the device.

    `index` (n,) are its rows in the split, `images` (n, C, H, W) uint8, `targets` (n, ...) what
    the network is to predict.
    """

    index: Tensor
    images: Tensor
    targets: Tensor
    whole: int


def split(order: Tensor, size: int, least: int = 2) -> list[Tensor]:
    """Rows in batches of `size`; the last one may be smaller, but not smaller than `least`.

    Batch norm needs more than one example, so a single remaining one joins the batch before. With several
    processes this holds for the part of each process.
    """
    batches = list(torch.split(order, size))
    if size >= least and len(batches) > 1 and len(batches[-1]) < least:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def require_enough(batch: int, left: int, processes: Processes) -> None:
    """Raises RunError if batches of `batch` out of `left` images are too small for the processes.

    Each process needs two images for its batch norms.
    """
    if processes.size > 1 and min(batch, left) < 2 * processes.size:
        what = f"a batch of {batch}" if left >= 2 * processes.size else f"the epoch's last {left}"
        raise RunError(
            f"{what} images can't be shared by {processes.size} processes: each needs at least two",
            f"start at most {max(1, min(batch, left) // 2)}",
        )


def load(
    part: Split, batches: list[Tensor], processes: Processes, device: torch.device, workers: int
) -> Iterator[Batch]:
    """Yields each batch; images in files are decoded in advance by `workers` processes."""
    if not batches:
        return
    shares = [processes.share(batch) for batch in batches]
    # One transfer to the device for the rows of all batches.
    rows = torch.cat(shares).to(device).split([len(share) for share in shares])
    examples: Iterator[tuple[Tensor, Tensor]]
    match part.images:
        case Files() as files:
            decoded = files.batches(shares, workers, pin=device.type == "cuda")
            examples = ((images, part.labels[index]) for images, index in zip(decoded, rows, strict=True))
        case Tensor() as tensor:
            examples = ((tensor[index], part.labels[index]) for index in rows)
        case drawn:
            examples = map(drawn.draw, shares)
    for batch, index, (images, targets) in zip(batches, rows, examples, strict=True):
        images, targets = (tensor.to(device, non_blocking=True) for tensor in (images, targets))
        yield Batch(index, images, targets, len(batch))


def load_batch(part: Split, rows: Tensor, device: torch.device, processes: Processes = ALONE) -> Batch:
    """One batch of a split, decoded by this process."""
    (batch,) = load(part, [rows], processes, device, workers=0)
    return batch
