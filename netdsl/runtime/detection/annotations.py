"""Annotated images as files have them: what all formats share, and the checks of their boxes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.folders import Part, Walk, part_named
from netdsl.runtime.images import physical_memory
from netdsl.runtime.open_image import Undecodable, is_named_image, open_image
from netdsl.runtime.storage import read_bytes

LAYOUT = (
    "expected COCO JSON (PATH/train.json beside the images in PATH/train, and the same for test and val), "
    "Pascal VOC XML (PATH/Annotations/*.xml, PATH/JPEGImages/*) or YOLO text (PATH/labels/*.txt, "
    "PATH/images/*, PATH/data.yaml)"
)
WALK = Walk("boxes", LAYOUT)

# The most boxes of one image; all images have the memory of the most boxes.
MOST_BOXES = 10_000
# Boxes may reach this many pixels beyond the image: rounding.
_ROUNDING = 0.1
# Folders whose names only say what is in them: an image and its boxes have the same path without them.
_KINDS = {"annotations", "images", "jpegimages", "labels"}

# Left, top, right, bottom and the class.
Box: TypeAlias = tuple[float, float, float, float, str]


@dataclass(slots=True)
class Remarks:
    """Faults of annotations by kind: how often each occurs, and its first example.

    `notes` are lines on what is not obvious.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, example: object, count: int = 1) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.examples.setdefault(kind, str(example))

    def lines(self) -> list[str]:
        """All remarks as text."""
        counted = [f"{kind}: {count:,}, such as {self.examples[kind]}" for kind, count in self.counts.items()]
        return [*self.notes, *counted]


@dataclass(slots=True)
class Annotated:
    """An image file with its boxes, in pixels of an image of `size` (height, width)."""

    file: Path
    size: tuple[float, float]
    boxes: list[Box]


@dataclass(frozen=True)
class Tree:
    """All files below a folder. Raises RunError if it can't be read."""

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """All files by their path from the root, with slashes."""
        return {file.relative_to(self.root).as_posix(): file for file in WALK.files(self.root)}

    @cached_property
    def images(self) -> dict[tuple[str, ...], Path]:
        """The images by `key`; of several with the same key the first one."""
        found: dict[tuple[str, ...], Path] = {}
        for file in self.files.values():
            if is_named_image(file):
                found.setdefault(self.key(file), file)
        return found

    def ending(self, suffix: str) -> list[Path]:
        return [file for file in self.files.values() if file.suffix.lower() == suffix]

    def key(self, file: Path) -> tuple[str, ...]:
        """The path without its ending, and without folders such as `images` and `labels`."""
        *folders, name = file.relative_to(self.root).with_suffix("").parts
        return (*(folder for folder in folders if folder.lower() not in _KINDS), name)

    def part(self, file: Path) -> Part | None:
        """The part that a file belongs to by the names of its folders, such as `train2017`."""
        folders = file.relative_to(self.root).parts[:-1]
        return next((part for folder in folders if (part := part_in(folder))), None)

    def name(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()


def part_in(name: str) -> Part | None:
    """The part that a word of a name names: `instances_val2017` -> val."""
    words = re.split("[^a-z]+", name.lower())
    return next((part for word in words if (part := part_named(word))), None)


def content(file: Path, most: int) -> bytes:
    """The bytes of a file. Raises RunError if it can't be read, or has more than `most`."""
    try:
        size = os.path.getsize(file)
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from error
    if size > most:
        raise RunError(
            f"{file} has {size / 2**20:,.0f} MiB, more than an annotation file of its kind can have",
            f"split it: at most {most / 2**20:,.0f} MiB are read",
        )
    found = read_bytes(file)
    if found is None:
        raise RunError(f"cannot read {file}: it is missing")
    return found


def text(file: Path, most: int) -> str:
    """The text of a UTF-8 file of at most `most` bytes. Raises RunError."""
    try:
        return content(file, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(file, "it is not UTF-8 text") from error


def unreadable(file: Path, reason: str) -> RunError:
    """The error for an annotation file whose content is invalid."""
    return damaged(file, reason, "correct or remove the file")


def size_of(file: Path, height: float, width: float) -> tuple[float, float]:
    """The size (height, width) that boxes refer to: as annotated, else that of the image."""
    if 0 < height < math.inf and 0 < width < math.inf:
        return height, width
    try:
        return open_image(file, 3).size[1:]
    except Undecodable:  # which is reported when it is decoded
        return 1, 1


@dataclass(frozen=True, slots=True)
class PartBoxes:
    """The images of one part, and their valid boxes.

    `sizes`, (N, 2), are the heights and widths that boxes were annotated in; `fractions`, (n, 4) float64,
    are left, top, right and bottom of all boxes from 0 to 1; `owners` and `labels`, (n,), their images, in
    order, and classes.
    """

    files: list[Path]
    sizes: Tensor
    fractions: Tensor
    owners: Tensor
    labels: Tensor

    def counts(self) -> Tensor:
        """The number of boxes of each image, (N,)."""
        return self.owners.bincount(minlength=len(self.files))

    def padded(self, height: int, width: int, most: int) -> Tensor:
        """The boxes in pixels of images of one size, (N, most, 5) float32, padded with -1."""
        counts = self.counts()
        out = torch.full((len(self.files), most, 5), -1.0)
        ranks = torch.arange(len(self.owners)) - (counts.cumsum(0) - counts)[self.owners]
        scaled = self.fractions * torch.tensor([width, height, width, height])
        out[self.owners, ranks] = torch.cat((scaled, self.labels[:, None]), 1).float()
        return out


def checked(images: Sequence[Annotated], classes: Sequence[str], root: Path, remarks: Remarks) -> PartBoxes:
    """The images of a part with their valid boxes. Others are dropped or clipped, and counted in `remarks`.

    Raises RunError if an image has more than `MOST_BOXES`.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    counts = [len(image.boxes) for image in images]
    for image, count in zip(images, counts, strict=True):
        if count > MOST_BOXES:
            raise RunError(
                f"{image.file} has {count:,} boxes; at most {MOST_BOXES:,} are read", "split the image"
            )
        if not count:
            remarks.add("images without boxes, kept", image.file.relative_to(root))
    owners = torch.arange(len(images)).repeat_interleave(torch.tensor(counts, dtype=torch.int64))
    rows = [(*box[:4], numbers[box[4]]) for image in images for box in image.boxes]
    every = torch.from_numpy(np.array(rows, np.float64).reshape(-1, 5))
    corners = every[:, :4]
    sizes = torch.tensor([image.size for image in images], dtype=torch.float64).reshape(-1, 2)
    limits = sizes[owners].flip(1).repeat(1, 2)
    keep = torch.ones(len(owners), dtype=torch.bool)

    def mark(kind: str, wrong: Tensor) -> None:
        found = (wrong & keep).nonzero().flatten().tolist()
        if found:
            place = ", ".join(f"{number:g}" for number in corners[found[0]].tolist())
            file = images[int(owners[found[0]])].file.relative_to(root)
            remarks.add(f"boxes {kind}", f"[{place}] in {file}", len(found))

    def drop(kind: str, wrong: Tensor) -> None:
        mark(f"{kind}, dropped", wrong)
        keep[wrong] = False

    drop("that are not finite numbers", ~corners.isfinite().all(1))
    drop("of no size", ~_has_size(corners))
    clipped = corners.clamp(min=0).minimum(limits)
    drop("outside their image", ~_has_size(clipped))
    mark("beyond their image, clipped", ((clipped - corners).abs() > _ROUNDING).any(1))
    kept = keep.nonzero().flatten()
    whole = torch.cat((owners[kept, None], every[kept]), 1).numpy()
    _, first = np.unique(whole, axis=0, return_index=True)
    again = keep.clone()
    again[kept[torch.from_numpy(first)]] = False
    drop("that occur twice", again)
    return PartBoxes(
        [image.file for image in images],
        sizes,
        (clipped / limits)[keep],
        owners[keep],
        every[keep, 4].long(),
    )


def _has_size(corners: Tensor) -> Tensor:
    return (corners[:, :2] < corners[:, 2:]).all(1)


def require_memory_for(images: int, most: int) -> None:
    """Raises RunError if the boxes of all images, padded to `most`, don't fit into this machine's memory."""
    needed, present = 2 * 4 * 5 * images * most, physical_memory()
    if present is not None and needed > present:
        raise RunError(
            f"{images:,} images with room for {most:,} boxes each need {needed / 2**30:.0f} GiB of memory, "
            f"this machine has {present / 2**30:.0f}",
            "split the images with the most boxes, or use fewer images",
        )


def joined(images: Iterable[Annotated], root: Path, remarks: Remarks) -> list[Annotated]:
    """The images, each file once: with the boxes of all its entries."""
    found: dict[Path, Annotated] = {}
    for image in images:
        if image.file in found:
            found[image.file].boxes += image.boxes
            remarks.add("images that are listed twice, their boxes joined", image.file.relative_to(root))
        else:
            found[image.file] = image
    return list(found.values())
