"""Data sets: training, validation and test images with their labels, in memory or in files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from math import prod

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from netdsl.language.recipe import Cifar10, Cifar100, Digits, Folder, held_out
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files


@dataclass(frozen=True, slots=True)
class Split:
    """Images, (N, C, H, W) uint8, their labels, (N,) int64, and the sums that `moments` gives."""

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

    @staticmethod
    def of(train: Split, validation: Split, test: Split, classes: tuple[str, ...]) -> Dataset:
        """The data set of these splits, with the statistics of its training images."""
        return Dataset(train, validation, test, classes, *statistics(train))

    def floats(self, images: Tensor) -> Tensor:
        """uint8 images as float32 from 0 to 1, channels last in memory: convolutions like it so."""
        return images.to(torch.float32, memory_format=torch.channels_last) / 255

    def normalise(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 1 with the mean 0 and the deviation 1 of each channel."""
        return (images - self.mean[:, None, None]) / self.deviation[:, None, None]

    def to(self, device: torch.device) -> Dataset:
        """The whole data set on a device; images in files stay there."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            mean=self.mean.to(device),
            deviation=self.deviation.to(device),
        )

    def fingerprint(self) -> str:
        """Tells whether two data sets hold the same images with the same labels in the same order."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=16)
        for split in (self.train, self.validation, self.test):
            digest.update(split.moments.cpu().numpy().tobytes())
            digest.update(split.labels.cpu().numpy().tobytes())
        return digest.hexdigest()


def load(
    data: Cifar10 | Cifar100 | Digits | Folder,
    input_shape: tuple[int, ...],
    classes: int,
    validation: int | None,
    seed: int,
    console: Console,
    *,
    images: int | None = None,
    stream: bool | None = None,
    room: int | None = None,
) -> Dataset:
    """The data of a recipe, fitted to a network's input: `read` and `divide`. Raises RunError."""
    source = read(data, input_shape, console, stream=stream, room=room)
    return divide(source, classes, validation, seed, images)


def read(
    data: Cifar10 | Cifar100 | Digits | Folder,
    input_shape: tuple[int, ...],
    console: Console,
    *,
    stream: bool | None = None,
    room: int | None = None,
) -> Source:
    """All images of a kind of data, fitted to a network's input (C, H, W).

    A folder's images are decoded into memory, or stay in their files (`stream`); None means: in
    memory where they take at most `room` bytes. Progress and the names of broken images go to
    `console`. Raises RunError where the data can't be had or don't fit the input.
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
    return _read(data, input_shape, console, stream, room)


def divide(source: Source, classes: int, validation: int | None, seed: int, images: int | None) -> Dataset:
    """The data of one run, of a network with so many `classes`.

    The last `validation` images of the training images, shuffled with `seed`, are for validation;
    None means 1,000, but at most a tenth. Trained on are the first `images` of the others, so that
    how many they are doesn't change the validation; None means all. Raises RunError where there are
    too few, or other classes.
    """
    if len(source.classes) != classes:
        raise RunError(
            f"the data have {len(source.classes)} classes, the network has {classes} outputs",
            f"write `classes {len(source.classes)}`, or choose other data",
        )
    train, held_out = _hold_out(source.train, validation, seed)
    if images is not None:
        if images > len(train):
            raise RunError(
                f"there are {len(train):,} images to train on, fewer than the {images:,} asked for",
                f"choose `images` up to {len(train)}, or leave it out",
            )
        train = train[torch.arange(images)]
    return Dataset.of(train, held_out, source.test, source.classes)


def _read(
    data: Cifar10 | Cifar100 | Digits | Folder,
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None,
    room: int | None,
) -> Source:
    # Imported here: each kind of data builds on this module.
    from netdsl.runtime import cifar, digits, folder

    if isinstance(data, Folder):
        return folder.read(data.path, input_shape, console, stream, room)
    if stream:
        raise RunError("only the images of a folder can stay in their files", "leave `--loader stream` out")
    return digits.read(input_shape) if isinstance(data, Digits) else cifar.read(data, input_shape)


def _hold_out(train: Split, validation: int | None, seed: int) -> tuple[Split, Split]:
    """The images to train on and those for validation."""
    count = held_out(len(train), validation)
    if count >= len(train):
        raise RunError(
            f"{count} images for validation leave none of the {len(train)} to train on",
            "choose a smaller `validation`",
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train[order[: len(train) - count]], train[order[len(train) - count :]]


def moments(images: Tensor) -> Tensor:
    """The sums of each image's pixels and of their squares by channel: (N, C, H, W) uint8 -> (N, C, 2) int64.

    Whole numbers, so that statistics of any part of the images are exact, however they were read.
    """
    sums = []
    for part in images.split(1000):
        pixels = part.flatten(2).to(torch.int32)
        sums.append(torch.stack((pixels.sum(2), (pixels * pixels).sum(2)), 2))
    return torch.cat(sums) if sums else torch.zeros(0, images.shape[1], 2, dtype=torch.int64)


def statistics(split: Split) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over a split's pixels, (C,) float32 on the scale 0 to 1.

    The deviation of a channel that is the same everywhere is given as 1.
    """
    pixels = prod(split.images.shape[2:]) * len(split)
    sums: list[list[int]] = split.moments.sum(0).tolist()
    # Python's whole numbers: exact where floats would cancel.
    variances = [(pixels * squares - total**2) / pixels**2 for total, squares in sums]
    mean = torch.tensor([total / pixels / 255 for total, _ in sums])
    deviation = torch.tensor([variance**0.5 / 255 for variance in variances])
    deviation[deviation == 0] = 1
    return mean, deviation


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
    """Bytes that `count` images take while they are read: the splits are copies."""
    return 2 * count * prod(input_shape)


def physical_memory() -> int | None:
    """Bytes of this machine's memory, None where the system doesn't say (Windows)."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def room(device: torch.device, processes: int = 1) -> int | None:
    """Bytes that images may take for each process of a machine; None where the system doesn't say."""
    present = physical_memory()
    found = None if present is None else present // 2 // processes
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)  # `memory_of` counts twice: half of it.
        found = min(found or free, free)
    return found


def require_memory(count: int, input_shape: tuple[int, ...]) -> None:
    """Raises RunError where `count` images can't be held in this machine's memory."""
    needed, present = memory_of(count, input_shape), physical_memory()
    if present is not None and needed > present:
        shape = "x".join(map(str, input_shape))
        raise RunError(
            f"{count:,} images of {shape} need {needed / 2**30:.0f} GiB of memory, "
            f"this machine has {present / 2**30:.0f}",
            "use a smaller input (`--input`) or fewer images; a folder's can stay in their files "
            "(`--loader stream`)",
        )
