"""Images with boxes in a folder: COCO JSON, Pascal VOC XML or YOLO text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime.console import say
from netdsl.runtime.decode import load
from netdsl.runtime.detection import coco_json, voc_xml, yolo_text
from netdsl.runtime.detection.annotations import (
    LAYOUT,
    Annotated,
    PartBoxes,
    Remarks,
    Tree,
    checked,
    require_memory_for,
)
from netdsl.runtime.errors import RunError
from netdsl.runtime.folders import PURPOSES, Part
from netdsl.runtime.images import Rules, Source, Split, conversion, split_off

_Read: TypeAlias = (
    "Callable[[Tree, Remarks], tuple[dict[Part | None, list[Annotated]], tuple[str, ...]] | None]"
)
# The first format of which there are files is read.
_FORMATS: dict[str, _Read] = {
    "COCO JSON": coco_json.read,
    "Pascal VOC XML": voc_xml.read,
    "YOLO text": yolo_text.read,
}


@dataclass(frozen=True, slots=True)
class BoxListing:
    """The images and boxes of a folder by part; without a part `test`, images are to be split off for it."""

    root: Path
    format: str
    parts: dict[Part, PartBoxes]
    classes: tuple[str, ...]
    remarks: Remarks

    @property
    def files(self) -> list[Path]:
        """The images of all parts."""
        return [file for part in self.parts.values() for file in part.files]

    @property
    def most(self) -> int:
        """The most boxes of an image, at least 1."""
        return max(1, *(int(part.counts().max()) for part in self.parts.values() if part.files))

    def rows(self) -> Iterator[tuple[Part, slice]]:
        """The places of each part's images among `files`."""
        start = 0
        for name, part in self.parts.items():
            yield name, slice(start, start + len(part.files))
            start += len(part.files)

    def fitting(self, sizes: Tensor, whole: Tensor) -> Tensor:
        """True for those of `files` that can be used, (N,): they are `whole` and have the shape that their
        boxes were annotated in. Others are counted in `remarks`, as are those of another size, whose boxes
        are scaled.

        `sizes`, (N, 2), are the heights and widths of the images.
        """
        usable = whole.clone()
        annotated = torch.cat([part.sizes for part in self.parts.values()])
        differ = (annotated != sizes) & (annotated != 1).any(1, keepdim=True) & whole[:, None]
        for i in differ.any(1).nonzero().flatten().tolist():
            (height, width), (own_height, own_width) = annotated[i].tolist(), sizes[i].tolist()
            alike = abs(height * own_width - width * own_height) <= max(height, width, own_height, own_width)
            kind = "boxes scaled" if alike else "left out"
            usable[i] = alike
            self.remarks.add(
                f"images of another size than annotated, {kind}",
                f"{self.files[i].relative_to(self.root)}: {own_height}x{own_width}, "
                f"not {height:g}x{width:g}",
            )
        return usable


def list_boxes(root: Path) -> BoxListing | None:
    """The annotated images of a folder, with their boxes checked; None if it has no annotations.

    Raises RunError if a file is damaged, or there are no boxes to train on.
    """
    tree, remarks = Tree(root), Remarks()
    read_formats = ((format, read_format(tree, remarks)) for format, read_format in _FORMATS.items())
    format, found = next((each for each in read_formats if each[1]), ("", None))
    if found is None:
        return None
    by_part, classes = found
    parts = _parts(root, by_part, remarks)
    listing = BoxListing(
        root,
        format,
        {part: checked(images, classes, root, remarks) for part, images in parts.items()},
        classes,
        remarks,
    )
    _require_boxes(listing)
    return listing


def _parts(
    root: Path, by_part: dict[Part | None, list[Annotated]], remarks: Remarks
) -> dict[Part, list[Annotated]]:
    """The images for training, validation and test, in this order. Raises RunError if one has none."""
    named = {part: by_part[part] for part in get_args(Part) if part in by_part}
    loose = by_part.get(None, [])
    if not named:
        named = {"train": loose}
    elif loose:
        example = loose[0].file.relative_to(root)
        remarks.add("images that are in no part such as train, not used", example, len(loose))
    if "test" not in named and "val" in named:
        named["test"] = named.pop("val")
        remarks.notes.append("no test images: those for validation are the test")
    for part in dict.fromkeys(("train", *named)):
        if not named.get(part):
            raise RunError(f"{root} has no images with annotations for {PURPOSES[part]}", LAYOUT)
    seen: dict[Path, Part] = {}
    for part, images in named.items():
        for image in images:
            if seen.setdefault(image.file, part) != part:
                remarks.add("images that are in two parts, used in both", image.file.relative_to(root))
    return named


def _require_boxes(listing: BoxListing) -> None:
    """Remarks on classes without boxes. Raises RunError if there is no box to train on."""
    for part, boxes in listing.parts.items():
        counts = boxes.labels.bincount(minlength=len(listing.classes)).tolist()
        missing = [name for name, count in zip(listing.classes, counts, strict=True) if not count]
        if len(missing) == len(listing.classes):
            raise RunError(f"{listing.root} has no boxes for {PURPOSES[part]}", LAYOUT)
        if missing:
            names = ", ".join(f"`{name}`" for name in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            listing.remarks.notes.append(f"no boxes for {PURPOSES[part]} of {names}{more}")


def read(
    path: str,
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None,
    room: int | None,
    rules: Rules,
) -> Source:
    """The images, converted to the channels and resized to the size of (C, H, W); their labels are the boxes,
    (N, M, 5), in pixels of that size.

    They are in memory, or with `stream` in their files; None means in memory if they take at most `room`
    bytes. Images that are for validation are the test if there is no other; without both, a fixed tenth is
    for the test. Whatever is wrong with images or boxes is counted on `console`. Raises RunError if a file
    is damaged, or nothing is left to train on.
    """
    root = Path(os.path.expanduser(path))
    listing = list_boxes(root)
    if listing is None:
        raise RunError(f"{root} has no annotations of boxes", LAYOUT)
    files = listing.files
    require_memory_for(len(files), listing.most)
    images, own_moments, found = load(root, files, input_shape, console, stream, room)
    usable = listing.fitting(found.sizes[:, 1:], found.whole)
    for line in listing.remarks.lines():
        say(console, line)
    height, width = input_shape[1:]
    labels = torch.cat([part.padded(height, width, listing.most) for part in listing.parts.values()])
    every = Split(images, labels, own_moments)
    indices = {part: usable[rows].nonzero().flatten() + rows.start for part, rows in listing.rows()}
    unsplit = "test" not in indices
    if unsplit:
        whole = indices["train"]
        left, taken = split_off(torch.zeros_like(whole), max(1, len(whole) // 10), 0, rules)
        indices = {"train": whole[left.sort().values], "test": whole[taken.sort().values]}
    for part, index in indices.items():
        if not len(index):
            raise RunError(f"{root} has no readable image for {PURPOSES[part]}", LAYOUT)
    parts = {part: every[index] for part, index in indices.items()}
    converted = conversion(found.sizes[usable], input_shape)
    return Source(parts["train"], parts["test"], listing.classes, parts.get("val"), unsplit, converted, rules)
