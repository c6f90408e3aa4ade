"""Figures of data sets in folders: images, sizes, classes and boxes, for `netdsl data`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime.decode import survey
from netdsl.runtime.detection.box_folder import BoxListing, list_boxes
from netdsl.runtime.detection.mean_ap import LARGE, SIZES, SMALL
from netdsl.runtime.errors import RunError
from netdsl.runtime.folder import list_classes
from netdsl.runtime.folders import Part
from netdsl.runtime.images import RULES
from netdsl.runtime.open_image import open_image
from netdsl.runtime.segmentation import IGNORED
from netdsl.runtime.segmentation.mask_folder import count_classes, is_mask_folder, largest, list_masks

# Formats of labels other than those of boxes.
FOLDERS, MASKS = "folders of classes", "masks"


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file with its class, with its boxes, (n, 5), as fractions of the image, or with its mask."""

    file: Path
    label: int | None = None
    boxes: Tensor | None = None
    mask: Path | None = None

    def pixels(self) -> Tensor:
        """The image in colour, (3, H, W) uint8. Raises Undecodable."""
        image = np.asarray(open_image(self.file, 3).image)
        return torch.from_numpy(image.copy()).permute(2, 0, 1)

    def boxes_in(self, image: Tensor) -> Tensor:
        """The boxes in pixels of the image, (n, 5)."""
        assert self.boxes is not None
        height, width = image.shape[1:]
        return self.boxes * torch.tensor([width, height, width, height, 1])


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The readable images of a part: `sizes`, (N, 3), are their channels, heights and widths.

    `by_class` are the numbers of its images of each class; of boxes or pixels where the data have these.
    `per_image`,
    (N,), are the numbers of boxes, `by_size`, (K, 3), those of each class that are small, medium and large.
    """

    samples: list[Sample]
    unreadable: int
    sizes: Tensor
    by_class: list[int]
    per_image: Tensor | None = None
    by_size: Tensor | None = None


@dataclass(frozen=True, slots=True)
class DataSummary:
    """A data set in a folder; `format` is that of its labels."""

    path: str
    format: str
    classes: tuple[str, ...]
    parts: dict[Part, PartSummary]
    remarks: list[str]

    @property
    def kind(self) -> Literal["folder", "boxes", "masks"]:
        """The kind of data that it is in a recipe."""
        return "folder" if self.format == FOLDERS else "masks" if self.format == MASKS else "boxes"

    @property
    def things(self) -> str:
        """The things that are counted by class: images, boxes or pixels."""
        return {"folder": "images", "masks": "pixels", "boxes": "boxes"}[self.kind]

    @property
    def sizes(self) -> Tensor:
        """The channels, heights and widths of all readable images, (N, 3)."""
        return torch.cat([part.sizes for part in self.parts.values()])


def summarise(path: str, console: Console) -> DataSummary:
    """The data set in a folder: images with masks or annotations of boxes if it has them, else folders of
    classes.

    Every image is decoded once, which is cached; unreadable ones are named on `console`. Raises RunError if
    the folder holds no data set.
    """
    root = Path(os.path.expanduser(path))
    if not root.is_dir():
        raise RunError(f"there is no folder {path}", "name a folder with images")
    if is_mask_folder(root):
        return _of_masks(path, root, console)
    listing = list_boxes(root)
    return _of_classes(path, root, console) if listing is None else _of_boxes(path, listing, console)


def _of_boxes(path: str, listing: BoxListing, console: Console) -> DataSummary:
    # Only the sizes are of interest.
    found = survey(listing.root, listing.files, (3, 1, 1), console)
    usable = listing.fitting(found.sizes[:, 1:], found.whole)
    parts: dict[Part, PartSummary] = {}
    for name, rows in listing.rows():
        part, own = listing.parts[name], usable[rows]
        kept = own[part.owners]
        owners, labels, fractions = part.owners[kept], part.labels[kept], part.fractions[kept]
        sizes = found.sizes[rows]
        areas = ((fractions[:, 2:] - fractions[:, :2]) * sizes[owners][:, [2, 1]]).prod(1)
        bands = (areas >= SMALL).long() + (areas >= LARGE).long()
        pairs = (labels * len(SIZES) + bands).bincount(minlength=len(listing.classes) * len(SIZES))
        boxes = torch.cat((fractions, labels[:, None]), 1).split(owners.bincount(minlength=len(own)).tolist())
        parts[name] = PartSummary(
            [Sample(part.files[i], boxes=boxes[i]) for i in own.nonzero().flatten().tolist()],
            int((~found.whole[rows]).sum()),
            sizes[own],
            labels.bincount(minlength=len(listing.classes)).tolist(),
            owners.bincount(minlength=len(own))[own],
            pairs.view(-1, len(SIZES)),
        )
    remarks = list(listing.remarks.lines())
    if "test" not in parts:
        remarks.insert(0, "no images for the test: a tenth of those for training is")
    return DataSummary(path, listing.format, listing.classes, parts, remarks)


def _of_classes(path: str, root: Path, console: Console) -> DataSummary:
    listing = list_classes(root, RULES)
    classes = listing.classes
    rows = {
        part: [(file, label) for label, name in enumerate(classes) for file in files.get(name, [])]
        for part in get_args(Part)
        if (files := listing.parts.get(part))
    }
    found = survey(root, [file for own in rows.values() for file, _ in own], (3, 1, 1), console)
    parts: dict[Part, PartSummary] = {}
    start = 0
    for name, own in rows.items():
        whole = found.whole[start : start + len(own)]
        sizes = found.sizes[start : start + len(own)]
        start += len(own)
        samples = [Sample(*own[i]) for i in whole.nonzero().flatten().tolist()]
        labels = torch.tensor([label for _, label in own], dtype=torch.int64)[whole]
        counts = labels.bincount(minlength=len(classes)).tolist()
        parts[name] = PartSummary(samples, int((~whole).sum()), sizes[whole], counts)
    remarks = list(listing.notes)
    if "test" not in parts:
        remarks.insert(0, "no folder `test`: a tenth of the images is for the test")
    if not sum(len(part.samples) for part in parts.values()):
        raise RunError(f"{root} has no readable image", "check the files")
    return DataSummary(path, FOLDERS, classes, parts, remarks)


def _of_masks(path: str, root: Path, console: Console) -> DataSummary:
    listing = list_masks(root)
    pairs = [pair for own in listing.parts.values() for pair in own]
    found = survey(root, [file for file, _ in pairs], (3, 1, 1), console)
    parts: dict[Part, PartSummary] = {}
    counts: dict[Part, Tensor] = {}
    start, ignored = 0, 0
    for name, own in listing.parts.items():
        rows = slice(start, start + len(own))
        start += len(own)
        whole, sizes = found.whole[rows], found.sizes[rows]
        pixels = torch.zeros(IGNORED + 1, dtype=torch.int64)
        for i in whole.nonzero().flatten().tolist():
            pixels += count_classes(own[i][1], (int(sizes[i, 1]), int(sizes[i, 2])), listing.classes)[1]
        ignored += int(pixels[IGNORED])
        counts[name] = pixels[:IGNORED]
        samples = [Sample(own[i][0], mask=own[i][1]) for i in whole.nonzero().flatten().tolist()]
        parts[name] = PartSummary(samples, int((~whole).sum()), sizes[whole], [])
    classes = listing.classes or tuple(
        map(str, range(1 + largest(sum(counts.values(), torch.zeros(IGNORED)))))
    )
    parts = {
        name: replace(part, by_class=counts[name][: len(classes)].tolist()) for name, part in parts.items()
    }
    remarks = [f"pixels of no class ({IGNORED}): {ignored:,}"] * bool(ignored)
    if "test" not in parts:
        remarks.insert(0, "no folder `test`: a tenth of the images is for the test")
    return DataSummary(path, MASKS, classes, parts, remarks)


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most this many samples, evenly spaced."""
    count = min(len(samples), most)
    return [samples[place * len(samples) // count] for place in range(count)]
