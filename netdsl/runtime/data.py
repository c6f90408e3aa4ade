"""Data sets: training, validation and test images with their labels, in memory or in files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import prod

import torch
from rich.console import Console
from torch import Tensor

from netdsl.language.recipe import Boxes, Data, Digits, Folder, Masks, Scenes, held_out
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import RULES, Rules, Source, Split, physical_memory, split_off
from netdsl.runtime.layout import laid_out


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of a data set and its statistics.

    `mean` and `deviation`, (C,) float32, are those of the training images' pixels on the scale 0 to 1.
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
        """uint8 images as float32 from 0 to 1, channels last in memory, which is fast for convolutions."""
        return images.to(torch.float32, memory_format=torch.channels_last) / 255

    def normalise(self, images: Tensor) -> Tensor:
        """Normalises images on the scale 0 to 1 to mean 0 and deviation 1 in each channel."""
        return (images - self.mean[:, None, None]) / self.deviation[:, None, None]

    def inputs(self, images: Tensor, layout: torch.memory_format) -> Tensor:
        """uint8 images as a network takes them: normalised, in the layout of its weights."""
        return laid_out(self.normalise(self.floats(images)), layout)

    def to(self, device: torch.device) -> Dataset:
        """The data set on a device; images in files stay in their files."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            mean=self.mean.to(device),
            deviation=self.deviation.to(device),
        )

    def fingerprint(self) -> str:
        """A hash, equal for data sets with the same images and labels in the same order."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=16)
        for split in (self.train, self.validation, self.test):
            digest.update(split.moments.cpu().numpy().tobytes())
            digest.update(split.labels.cpu().numpy().tobytes())
        return digest.hexdigest()


def read(
    kind: Data,
    input_shape: tuple[int, ...],
    console: Console,
    *,
    stream: bool | None = None,
    room: int | None = None,
    rules: Rules = RULES,
) -> Source:
    """All images of a kind of data, fitted to a network's input (C, H, W), by the `RULES` of a run.

    A folder's images are decoded into memory, or stay in their files (`stream`); None means in memory if
    they take at most `room` bytes. Progress and the names of broken images go to `console`. Raises
    RunError if the data are not available or don't fit the input.
    """
    if len(input_shape) != 3:
        raise RunError(
            f"the network's input is a vector of {prod(input_shape)} numbers, but the data are images",
            "write the input as channels x height x width, `input 3x32x32`, and `flatten` first",
        )
    if input_shape[0] not in (1, 3):
        raise RunError(
            f"the network's input has {input_shape[0]} channels, but images have 1 (gray) or 3 (colour)",
            "write `input 3x32x32` or `input 1x32x32`",
        )
    from netdsl.runtime import cifar, digits, folder  # late: torchvision is slow to import
    from netdsl.runtime.detection import box_folder, scenes
    from netdsl.runtime.segmentation import mask_folder

    if isinstance(kind, Folder | Boxes | Masks):
        readers = {Folder: folder.read, Boxes: box_folder.read, Masks: mask_folder.read}
        return readers[type(kind)](kind.path, input_shape, console, stream, room, rules)
    if stream:
        raise RunError("only the images of a folder can stay in their files", "remove `--loader stream`")
    match kind:
        case Digits():
            source = digits.read(input_shape)
        case Scenes(count, masks=masks):
            source = scenes.read(input_shape, count, masks)
        case _:
            source = cifar.read(kind, input_shape)
    return replace(source, rules=rules)


def divide(source: Source, classes: int, validation: int | None, seed: int, images: int | None) -> Dataset:
    """The data of one run of a network with `classes` classes.

    `validation` of the training images, shuffled with `seed`, are for validation; None means 1,000, but at
    most a tenth. If the source has validation images of its own, they take their place, unless `validation`
    is 0. The first `images` of the others are for training; None means all. So the number of training
    images does not change the validation. Raises RunError if there are too few images, or the number of
    classes differs.
    """
    if len(source.classes) != classes:
        few = f" ({', '.join(source.classes)})" if len(source.classes) <= 10 else ""
        raise RunError(
            f"the data have {len(source.classes)} classes{few}, but the network has {classes} outputs",
            f"write `classes {len(source.classes)}`, or choose other data",
        )
    count = 0 if source.validation is not None else held_out(len(source.train), validation)
    if count >= len(source.train):
        raise RunError(
            f"{count} images for validation leave none of the {len(source.train)} for training",
            "choose a smaller `validation`",
        )
    # Images with boxes or masks are of no class.
    labels = source.train.labels
    strata = labels if labels.dim() == 1 else labels.new_zeros(len(labels), dtype=torch.int64)
    left, taken = split_off(strata, count, seed, source.rules)
    train, held = source.train[left], source.train[taken]
    if source.validation is not None and validation != 0:
        held = source.validation
    if images is not None:
        if images > len(train):
            raise RunError(
                f"there are {len(train):,} training images, fewer than the requested {images:,}",
                f"set `images` to at most {len(train)}, or remove it",
            )
        train = train[torch.arange(images)]
    return Dataset.of(train, held, source.test, source.classes)


def statistics(split: Split) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over a split's pixels, (C,) float32 on the scale 0 to 1.

    The deviation of a constant channel is 1.
    """
    pixels = prod(split.images.shape[2:]) * len(split)
    sums: list[list[int]] = split.moments.sum(0).tolist()
    # Python's integers are exact; floats would lose digits in the difference.
    variances = [(pixels * squares - total**2) / pixels**2 for total, squares in sums]
    mean = torch.tensor([total / pixels / 255 for total, _ in sums])
    deviation = torch.tensor([variance**0.5 / 255 for variance in variances])
    deviation[deviation == 0] = 1
    return mean, deviation


def room(device: torch.device, processes: int = 1) -> int | None:
    """Bytes that images may take for each process of a machine; None if the memory is unknown."""
    present = physical_memory()
    found = None if present is None else present // 2 // processes
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)  # `memory_of` counts twice: half of it.
        found = min(found or free, free)
    return found
