"""Images with masks in a folder: `train/images/*`, `train/masks/*`, and the same for `test` and `val`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from netdsl.runtime.console import progress, say
from netdsl.runtime.decode import load
from netdsl.runtime.errors import RunError
from netdsl.runtime.folders import PURPOSES, Part, Walk, part_named
from netdsl.runtime.images import Rules, Source, Split, conversion, require_memory, split_off
from netdsl.runtime.open_image import is_named_image
from netdsl.runtime.segmentation import IGNORED
from netdsl.runtime.storage import read_text

LAYOUT = (
    "expected PATH/train/images/* and PATH/train/masks/*.png with the numbers of the classes as pixels, the "
    "same for test and, if there are images for it, val, and perhaps the names of the classes in "
    "PATH/classes.txt, one a line"
)
_WALK = Walk("masks", LAYOUT)
_IMAGES, _MASKS, _NAMES = "images", "masks", "classes.txt"


@dataclass(frozen=True, slots=True)
class MaskListing:
    """The images of a folder by part, each with its mask; without a part `test`, images are to be split off
    for it. `classes` are None without a file of names.
    """

    root: Path
    parts: dict[Part, list[tuple[Path, Path]]]
    classes: tuple[str, ...] | None


def is_mask_folder(root: Path) -> bool:
    """True if a folder has masks beside its images. Raises RunError if it can't be read."""
    return any((each / _MASKS).is_dir() for each in (root, *_WALK.folders(root)))


def list_masks(root: Path) -> MaskListing:
    """The images and masks of a folder. Raises RunError if an image has no mask, or a part no images."""
    folders = {part: each for each in _WALK.folders(root) if (part := part_named(each.name))}
    found = {part: _pairs(folders[part]) for part in get_args(Part) if part in folders}
    if not found:
        found = {"train": _pairs(root)}
    if "train" not in found:
        raise RunError(f"{root} has no folder `train`", LAYOUT)
    names = read_text(root / _NAMES)
    classes = (
        None if names is None else tuple(" ".join(line.split()) for line in names.split("\n") if line.strip())
    )
    if classes is not None and len(set(classes)) < len(classes):
        raise RunError(f"{root / _NAMES} has a name twice", "remove one of them")
    return MaskListing(root, found, classes)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    images = [file for file in _WALK.entries(folder / _IMAGES) if is_named_image(file)]
    masks = {file.stem: file for file in _WALK.entries(folder / _MASKS) if is_named_image(file)}
    if not images:
        raise RunError(f"{folder / _IMAGES} has no images", LAYOUT)
    missing = [file for file in images if file.stem not in masks]
    if missing:
        raise RunError(
            f"{len(missing):,} of {len(images):,} images have no mask, such as {missing[0]}",
            f"expected {folder / _MASKS / missing[0].stem}.png; remove images that have none",
        )
    return [(file, masks[file.stem]) for file in images]


def read_mask(file: Path, size: tuple[int, int]) -> Tensor:
    """The numbers of the classes of each pixel of an image of `size` (height, width), (H, W) uint8.

    Raises RunError if the file is not a gray image or one with a palette, or has another size.
    """
    height, width = size
    try:
        with Image.open(file) as image:
            if image.mode not in ("1", "L", "P"):
                raise RunError(
                    f"the pixels of {file} are not numbers of classes: its mode is {image.mode}",
                    "write masks as PNG in 8-bit gray, or with a palette",
                )
            if image.size != (width, height):
                own = f"{image.size[1]}x{image.size[0]}"
                raise RunError(
                    f"{file} is {own}, but its image is {height}x{width}", "a mask has the size of its image"
                )
            return torch.from_numpy(np.array(image, np.uint8))
    except RunError:
        raise
    except Exception as error:  # PIL's decoders raise any exception on broken files.
        raise RunError(f"{file} can't be read as an image", LAYOUT) from error


def count_classes(file: Path, size: tuple[int, int], classes: Sequence[str] | None) -> tuple[Tensor, Tensor]:
    """A mask as of `read_mask`, and the numbers of its pixels of each class, (256,). Raises RunError also for
    a class that has no name among the `classes`, if there are names.
    """
    mask = read_mask(file, size)
    counts = mask.flatten().bincount(minlength=IGNORED + 1)
    most = largest(counts[:IGNORED])
    if classes is not None and most >= len(classes):
        help = f"{_NAMES} names the classes 0 to {len(classes) - 1}; {IGNORED} are pixels of no class"
        if most == len(classes) and not counts[0]:
            help += "; if the masks count from 1, subtract 1"
        raise RunError(f"{file} has pixels of class {most}, which has no name", help)
    return mask, counts


def largest(counts: Tensor) -> int:
    """The largest class that has pixels; -1 without any."""
    known = counts.nonzero()
    return int(known.max()) if len(known) else -1


def read(
    path: str,
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None,
    room: int | None,
    rules: Rules,
) -> Source:
    """The images, converted to the channels and resized to the size of (C, H, W); their labels are the masks,
    (N, H, W), resized by the nearest pixel.

    Images are in memory, or with `stream` in their files; None means in memory if they take at most `room`
    bytes; masks are in memory. Without images for the test, a fixed tenth is for it. Raises RunError if a
    mask is missing or doesn't fit its image or the classes.
    """
    root = Path(os.path.expanduser(path))
    listing = list_masks(root)
    pairs = [pair for own in listing.parts.values() for pair in own]
    images, own_moments, found = load(root, [file for file, _ in pairs], input_shape, console, stream, room)
    require_memory(len(pairs), (1, *input_shape[1:]))
    masks = torch.full((len(pairs), *input_shape[1:]), IGNORED, dtype=torch.uint8)
    counts = torch.zeros(IGNORED + 1, dtype=torch.int64)
    with progress(f"reading {len(pairs):,} masks", len(pairs), console) as advance:
        for i in found.whole.nonzero().flatten().tolist():
            height, width = found.sizes[i, 1:].tolist()
            whole, own = count_classes(pairs[i][1], (height, width), listing.classes)
            counts += own
            masks[i] = _resized(whole, input_shape)
            advance()
    classes = listing.classes or _numbers(counts, console)
    return _source(
        listing, Split(images, masks, own_moments), found.whole, found.sizes, classes, input_shape, rules
    )


def _resized(mask: Tensor, input_shape: tuple[int, ...]) -> Tensor:
    """A mask in the size of (C, H, W), by the nearest pixel."""
    rows, columns = (
        ((torch.arange(length) + 0.5) * own / length).long()
        for own, length in zip(mask.shape, input_shape[1:], strict=True)
    )
    return mask[rows[:, None], columns]


def _numbers(counts: Tensor, console: Console) -> tuple[str, ...]:
    """The numbers of the classes as their names."""
    most = max(0, largest(counts[:IGNORED]))
    say(console, f"no names of classes in {_NAMES}: they are 0 to {most}")
    return tuple(map(str, range(most + 1)))


def _source(
    listing: MaskListing,
    every: Split,
    whole: Tensor,
    sizes: Tensor,
    classes: tuple[str, ...],
    input_shape: tuple[int, ...],
    rules: Rules,
) -> Source:
    indices: dict[Part, Tensor] = {}
    start = 0
    for part, own in listing.parts.items():
        indices[part] = whole[start : start + len(own)].nonzero().flatten() + start
        start += len(own)
    unsplit = "test" not in indices
    if unsplit:
        train = indices["train"]
        left, taken = split_off(torch.zeros_like(train), max(1, len(train) // 10), 0, rules)
        indices |= {"train": train[left.sort().values], "test": train[taken.sort().values]}
    for part, index in indices.items():
        if not len(index):
            raise RunError(f"{listing.root} has no readable image for {PURPOSES[part]}", LAYOUT)
    parts = {part: every[index] for part, index in indices.items()}
    converted = conversion(sizes[whole], input_shape)
    return Source(parts["train"], parts["test"], classes, parts.get("val"), unsplit, converted, rules)
