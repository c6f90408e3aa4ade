"""The handwritten digits of the UCI repository, which are part of the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from netdsl.runtime.images import Source, Split, conversion, fit, sizes_of

TEST_IMAGES = 360
Part: TypeAlias = Literal["train", "validation", "test"]


@cache
def _arrays() -> tuple[Tensor, Tensor]:
    """All images, (1797, 8, 8) uint8, and their labels, int64, in a fixed random order."""
    with files("netdsl").joinpath("data", "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images, labels = (torch.from_numpy(arrays[name]) for name in ("images", "labels"))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order].long()


def part(name: Part) -> tuple[Tensor, Tensor]:
    """Images (n, 8, 8) uint8 and labels (n,); a tenth of those not for the test is for validation."""
    images, labels = _arrays()
    left = len(images) - TEST_IMAGES
    start, end = {"train": (left // 10, left), "validation": (0, left // 10), "test": (left, None)}[name]
    return images[start:end], labels[start:end]


def read(input_shape: tuple[int, ...]) -> Source:
    """The 1,797 digits, fitted to (C, H, W); the last 360 of a fixed shuffle are for the test."""
    images, labels = _arrays()
    gray = images[:, None]
    every = Split.of(fit(gray, input_shape), labels)
    train, test = (every[rows] for rows in torch.arange(len(every)).tensor_split([-TEST_IMAGES]))
    return Source(train, test, tuple(map(str, range(10))), conversion=conversion(sizes_of(gray), input_shape))
