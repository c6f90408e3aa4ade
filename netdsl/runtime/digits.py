"""The handwritten digits of the UCI repository, which are part of the package."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch

from netdsl.runtime.images import Source, Split, conversion, fit, sizes_of

TEST_IMAGES = 360


def read(input_shape: tuple[int, ...]) -> Source:
    """The 1,797 digits, fitted to (C, H, W); the last 360 of a fixed shuffle are for the test."""
    with files("netdsl").joinpath("data", "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images = torch.from_numpy(arrays["images"])[:, None]
        labels = torch.from_numpy(arrays["labels"]).long()
    every = Split.of(fit(images, input_shape), labels)
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(0))
    train, test = every[order[:-TEST_IMAGES]], every[order[-TEST_IMAGES:]]
    return Source(
        train, test, tuple(map(str, range(10))), conversion=conversion(sizes_of(images), input_shape)
    )
