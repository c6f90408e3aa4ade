"""Images with their labels, common to all kinds of data sets, and the memory that they take."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files


@dataclass(frozen=True, slots=True)
class Split:
    """Images, (N, C, H, W) uint8, their labels, (N,) int64, and their `moments`."""

    images: Tensor | Files
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

    def to(self, device: torch.device) -> Split:
        images = self.images if isinstance(self.images, Files) else self.images.to(device)
        return replace(self, images=images, labels=self.labels.to(device))


@dataclass(frozen=True, slots=True)
class Source:
    """All images of a data set: those for training and validation, those for the test, and the classes."""

    train: Split
    test: Split
    classes: tuple[str, ...]


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
