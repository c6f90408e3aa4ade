"""Images with their labels, common to all kinds of data sets, and the memory that they take."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files


class Drawn(Protocol):
    """Images that are drawn when they are asked for, other ones in each epoch."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Tensor) -> Drawn: ...

    def at(self, epoch: int) -> Drawn:
        """The images of an epoch, counted from 0."""

    def draw(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) uint8 and their labels (n, ...)."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images, (N, C, H, W) uint8, their labels, and their `moments`.

    The labels are what a network is to predict: classes (N,) int64, boxes (N, M, 5) float32, or masks
    (N, H, W) uint8. Those of `Drawn`
    images are of the first epoch.
    """

    images: Tensor | Files | Drawn
    labels: Tensor
    moments: Tensor

    @staticmethod
    def of(images: Tensor, labels: Tensor) -> Split:
        """A split of images in memory."""
        return Split(images, labels, moments(images))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Split:
        return Split(self.images[index], self.labels[index], self.moments[index])

    def at(self, epoch: int) -> Split:
        """The split in an epoch, counted from 0."""
        if isinstance(self.images, Tensor | Files):
            return self
        return replace(self, images=self.images.at(epoch))

    def to(self, device: torch.device) -> Split:
        images = self.images.to(device) if isinstance(self.images, Tensor) else self.images
        return replace(self, images=images, labels=self.labels.to(device))


# The rules by which data sets are read and split. Runs record theirs, and keep them when they are resumed or
# evaluated. 1, before netdsl 0.5: splits pay no regard to classes, folders of validation images and folders
# below classes are ignored, and names of classes are as the file system has them.
Rules: TypeAlias = Literal[1, 2]
RULES: Rules = 2


@dataclass(frozen=True, slots=True)
class Source:
    """All images of a data set, and the classes.

    `train` includes those for validation, unless they are in a `validation` of their own. `test_split_off` is
    whether the test depends on all images. `conversion` says in a line how images were fitted to the
    network, if they were.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    validation: Split | None = None
    test_split_off: bool = False
    conversion: str = ""
    rules: Rules = RULES


def moments(images: Tensor) -> Tensor:
    """The sums of each image's pixels and of their squares by channel: (N, C, H, W) uint8 -> (N, C, 2) int64.

    Integers, so that the statistics of any part of the images are exact.
    """
    sums = []
    for part in images.split(1000):
        pixels = part.flatten(2).to(torch.int32)
        sums.append(torch.stack((pixels.sum(2), (pixels * pixels).sum(2)), 2))
    return torch.cat(sums) if sums else torch.zeros(0, images.shape[1], 2, dtype=torch.int64)


def fit(images: Tensor, input_shape: tuple[int, ...]) -> Tensor:
    """uint8 images (N, 1 or 3, h, w) as (N, C, H, W): gray by luminance, resized bilinearly."""
    require_memory(len(images), input_shape)
    channels, height, width = input_shape
    if images.shape[2:] == (height, width) and images.shape[1] == channels:
        return images.contiguous()
    luminance = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    parts = []
    for part in torch.split(images, 1000):
        floats = part.float()
        if channels == 1 and part.shape[1] == 3:
            floats = (floats * luminance).sum(1, keepdim=True)
        floats = F.interpolate(floats, (height, width), mode="bilinear", antialias=True)
        parts.append(floats.round().clamp(0, 255).to(torch.uint8).expand(-1, channels, -1, -1))
    return torch.cat(parts)


def sizes_of(images: Tensor) -> Tensor:
    """The channels, heights and widths of images (N, C, H, W), as (N, 3)."""
    return torch.tensor(images.shape[1:]).expand(len(images), 3)


def conversion(sizes: Tensor, input_shape: tuple[int, ...]) -> str:
    """A line on how images of these sizes, (N, 3) int: channels, height, width, are fitted to (C, H, W).

    It is empty if they have that shape.
    """
    if not len(sizes) or bool((sizes == torch.tensor(input_shape)).all()):
        return ""
    areas = sizes[:, 1] * sizes[:, 2]
    ends = [f"{sizes[i, 1]}x{sizes[i, 2]}" for i in (int(areas.argmin()), int(areas.argmax()))]
    gray = int((sizes[:, 0] == 1).sum())
    kinds = [f"{count:,} {kind}" for count, kind in ((len(sizes) - gray, "colour"), (gray, "gray")) if count]
    shape = "x".join(map(str, input_shape))
    return f"{' and '.join(kinds)} images of {' to '.join(dict.fromkeys(ends))} are converted to {shape}"


def split_off(labels: Tensor, count: int, seed: int, rules: Rules) -> tuple[Tensor, Tensor]:
    """Shuffled indices: those that are left, and `count` that are split off, of each class in proportion to
    its images, of which one is left at least. Raises RunError if there are too few.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    if rules == 1:
        return order[: len(order) - count], order[len(order) - count :]
    sizes = labels.bincount()
    quotas = torch.tensor(_quotas(sizes.tolist(), count))
    # The place of each image within its class, from the end of the order.
    grouped, places = labels[order].flip(0).sort(stable=True)
    ranks = torch.arange(len(order)) - (sizes.cumsum(0) - sizes)[grouped]
    taken = torch.zeros(len(order), dtype=torch.bool)
    taken[len(order) - 1 - places] = ranks < quotas[grouped]
    return order[~taken], order[taken]


def _quotas(sizes: list[int], count: int) -> list[int]:
    """The numbers of images of each class that are split off: the method of largest remainders."""
    total = sum(sizes)
    if count > sum(max(0, size - 1) for size in sizes):
        raise RunError(
            f"{count:,} of {total:,} images can't be split off: each class needs an image to train on",
            "choose a smaller `validation`, or add images",
        )
    quotas = [min(max(0, size - 1), count * size // total) for size in sizes]
    while sum(quotas) < count:
        room = [label for label, size in enumerate(sizes) if quotas[label] < size - 1]
        quotas[max(room, key=lambda label: count * sizes[label] - quotas[label] * total)] += 1
    return quotas


def memory_of(count: int, input_shape: tuple[int, ...]) -> int:
    """Bytes that `count` images take while they are read; twice their size, since the splits are copies."""
    return 2 * count * prod(input_shape)


def physical_memory() -> int | None:
    """Bytes of this machine's memory; None if unknown (Windows)."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(count: int, input_shape: tuple[int, ...]) -> None:
    """Raises RunError if `count` images don't fit into this machine's memory."""
    needed, present = memory_of(count, input_shape), physical_memory()
    if present is not None and needed > present:
        shape = "x".join(map(str, input_shape))
        raise RunError(
            f"{count:,} images of {shape} need {needed / 2**30:.0f} GiB of memory, "
            f"this machine has {present / 2**30:.0f}",
            "use a smaller input (`--input`) or fewer images; images of a folder can stay in their files "
            "(`--loader stream`)",
        )
