"""CIFAR-10 and CIFAR-100, downloaded by torchvision to the cache folder."""

from __future__ import annotations

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from netdsl.language.recipe import Cifar10, Cifar100
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Source, Split, conversion, fit
from netdsl.runtime.storage import cache_folder


def read(data: Cifar10 | Cifar100, input_shape: tuple[int, ...]) -> Source:
    """The images, fitted to (C, H, W). Raises RunError if they can't be downloaded."""
    name, kind = ("CIFAR-10", CIFAR10) if isinstance(data, Cifar10) else ("CIFAR-100", CIFAR100)
    root = cache_folder() / "cifar"
    try:
        train, test = (kind(root, train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError) as error:  # RuntimeError: a broken download.
        raise RunError(
            f"{name} can't be downloaded to {root}: {error}",
            "try again when online, or use other data: `--data folder:PATH` for a folder of images, "
            "`--data digits` for those that come with netdsl",
        ) from error
    sizes = torch.tensor([[3, 32, 32]]).expand(len(train.data) + len(test.data), 3)
    return Source(
        _split(train, input_shape),
        _split(test, input_shape),
        tuple(train.classes),
        conversion=conversion(sizes, input_shape),
    )


def _split(data: CIFAR10, input_shape: tuple[int, ...]) -> Split:
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2)
    return Split.of(fit(images, input_shape), torch.tensor(data.targets))
