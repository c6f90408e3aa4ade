"""Data sets as tensors: decoded once, in training, validation and test images."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from math import prod

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from netdsl.recipe import Cifar10, Cifar100, Digits, Folder
from netdsl.runtime.errors import RunError


@dataclass(frozen=True, slots=True)
class Split:
    """Images, (N, C, H, W) uint8, and their labels, (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Split:
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Split:
        images = self.images.to(device, non_blocking=True)
        return Split(images, self.labels.to(device, non_blocking=True))


@dataclass(frozen=True, slots=True)
class Source:
    """What a kind of data gives: images to train and validate on, test images, classes."""

    train: Split
    test: Split
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of a data set and its statistics.

    `mean` and `deviation` are (C,) float32, of the training images' pixels on the scale 0 to 1.
    """

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: Tensor
    deviation: Tensor

    def floats(self, images: Tensor) -> Tensor:
        """uint8 images as float32 from 0 to 1, channels last in memory: convolutions like it so."""
        return images.to(torch.float32, memory_format=torch.channels_last) / 255

    def normalise(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 1 with the mean 0 and the deviation 1 of each channel."""
        return (images - self.mean[:, None, None]) / self.deviation[:, None, None]

    def to(self, device: torch.device) -> Dataset:
        """The whole data set on a device."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            mean=self.mean.to(device),
            deviation=self.deviation.to(device),
        )


def load(
    data: Cifar10 | Cifar100 | Digits | Folder,
    input_shape: tuple[int, ...],
    classes: int,
    validation: int | None,
    seed: int,
    console: Console,
) -> Dataset:
    """The data of a recipe, fitted to a network's input (C, H, W) and its number of classes.

    The last `validation` images of the training images, shuffled with `seed`, are for validation;
    None means 1,000, but at most a tenth. Progress and the names of broken images go to `console`.
    Raises RunError where the data can't be had or doesn't fit the network.
    """
    if len(input_shape) != 3:
        raise RunError(
            f"the network's input is a vector of {prod(input_shape)} numbers, the data are images",
            "write the input as channels x height x width, `input 3x32x32`, and `flatten` first",
        )
    if input_shape[0] not in (1, 3):
        raise RunError(
            f"the network's input has {input_shape[0]} channels, images 1 (gray) or 3 (colour)",
            "write `input 3x32x32` or `input 1x32x32`",
        )
    source = _read(data, input_shape, console)
    if len(source.classes) != classes:
        raise RunError(
            f"the data have {len(source.classes)} classes, the network has {classes} outputs",
            f"write `classes {len(source.classes)}`, or choose other data",
        )
    train, held_out = _hold_out(source.train, validation, seed)
    mean, deviation = statistics(train.images)
    return Dataset(train, held_out, source.test, source.classes, mean, deviation)


def _read(
    data: Cifar10 | Cifar100 | Digits | Folder, input_shape: tuple[int, ...], console: Console
) -> Source:
    # Imported here: each kind of data builds on this module.
    from netdsl.runtime import cifar, digits, folder

    match data:
        case Digits():
            return digits.read(input_shape)
        case Folder(path):
            return folder.read(path, input_shape, console)
        case _:
            return cifar.read(data, input_shape)


def _hold_out(train: Split, validation: int | None, seed: int) -> tuple[Split, Split]:
    """The images to train on and those for validation."""
    count = min(1000, len(train) // 10) if validation is None else validation
    if count >= len(train):
        raise RunError(
            f"{count} images for validation leave none of the {len(train)} to train on",
            "choose a smaller `validation`",
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train[order[: len(train) - count]], train[order[len(train) - count :]]


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (C,) float32 on the scale 0 to 1, of uint8 (N, C, H, W).

    The deviation of a channel that is the same everywhere is given as 1.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    # From the histograms: exact, and without a float copy of the whole data set.
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)])
    shares = counts.double() / counts.sum(1, keepdim=True)
    mean = shares @ levels
    deviation = (shares * (levels - mean[:, None]) ** 2).sum(1).sqrt()
    deviation[deviation == 0] = 1
    return mean.float(), deviation.float()


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


def require_memory(count: int, input_shape: tuple[int, ...]) -> None:
    """Raises RunError where `count` images can't be held in this machine's memory."""
    if not hasattr(os, "sysconf"):  # Windows doesn't say.
        return
    # Twice: the split into training and validation images is a copy.
    needed = 2 * count * prod(input_shape)
    present = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > present:
        shape = "x".join(map(str, input_shape))
        raise RunError(
            f"{count:,} images of {shape} need {needed / 2**30:.0f} GiB of memory, "
            f"this machine has {present / 2**30:.0f}",
            "use a smaller input (`--input`) or fewer images",
        )
