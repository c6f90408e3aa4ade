"""A folder of images: `train/CLASS`, `test/CLASS` and perhaps `val/CLASS`, or one folder of classes."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime.console import say
from netdsl.runtime.decode import load
from netdsl.runtime.errors import RunError
from netdsl.runtime.folders import PURPOSES, Part, Walk, part_named
from netdsl.runtime.images import Rules, Source, Split, conversion, split_off
from netdsl.runtime.open_image import is_named_image

_LAYOUT = (
    "expected PATH/train/CLASS/*, PATH/test/CLASS/* and, if there are images for it, PATH/val/CLASS/*, or "
    "PATH/CLASS/*"
)
_WALK = Walk("folder", _LAYOUT)


@dataclass(slots=True)
class Listing:
    """The files of a data set, by part and class, and `notes` on what is not obvious; without a part `test`,
    images are to be split off for it.
    """

    parts: dict[Part, dict[str, list[Path]]]
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(self.parts["train"]))


def read(
    path: str,
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None,
    room: int | None,
    rules: Rules,
) -> Source:
    """The images, converted to the channels and resized to the size of (C, H, W).

    They are in memory, or with `stream` in their files; None means in memory if they take at most `room`
    bytes. Without a `test` folder, a fixed tenth of the images is for the test. Broken images are reported
    on `console` and left out. Raises RunError if no image is usable.
    """
    root = Path(os.path.expanduser(path))
    listing = list_classes(root, rules)
    for note in listing.notes:
        say(console, note)
    rows = [
        (file, label, part)
        for part in get_args(Part)
        for label, name in enumerate(listing.classes)
        for file in listing.parts.get(part, {}).get(name, [])
    ]
    files, labels = [file for file, _, _ in rows], torch.tensor([label for _, label, _ in rows])
    images, own_moments, found = load(root, files, input_shape, console, stream, room)
    every = Split(images, labels, own_moments)
    indices = {
        part: torch.tensor(
            [i for i, row in enumerate(rows) if row[2] == part and found.whole[i]], dtype=torch.long
        )
        for part in listing.parts
    }
    if "test" not in indices:
        indices |= _split(indices["train"], labels, rules)
    parts = {part: every[index] for part, index in indices.items()}
    _require_images(root, listing.classes, parts, console)
    converted = conversion(found.sizes[found.whole], input_shape)
    unsplit = "test" not in listing.parts
    return Source(parts["train"], parts["test"], listing.classes, parts.get("val"), unsplit, converted, rules)


def _split(whole: Tensor, labels: Tensor, rules: Rules) -> dict[Part, Tensor]:
    """The valid images of one folder of classes, of which a tenth is for the test."""
    if rules == 1:  # From all files, broken ones included; the first of the order are for the test.
        taken, left = split_off(labels, len(labels) - max(1, len(labels) // 10), 0, rules)
        return {"train": whole[torch.isin(whole, left)], "test": whole[torch.isin(whole, taken)]}
    left, taken = split_off(labels[whole], max(1, len(whole) // 10), 0, rules)
    return {"train": whole[left.sort().values], "test": whole[taken.sort().values]}


def list_classes(root: Path, rules: Rules) -> Listing:
    """The classes and files of a folder in alphabetical order. Raises RunError."""
    folders = _WALK.folders(root)
    parts = _parts(folders)
    others = [folder for folder in folders if folder not in parts.values()]
    # A class may be called `train`: it has images of its own, and other classes beside it.
    if not parts or (others and not any(_WALK.folders(folder) for folder in parts.values())):
        listing = Listing({"train": {}})
        _add_classes(listing, "train", root, rules)
    else:
        listing = _list_parts(root, parts, rules)
        if others:
            names = ", ".join(f"`{folder.name}`" for folder in others)
            listing.notes.append(f"not used, beside {_named(parts)} in {root}: {names}")
    _require_classes(root, listing)
    return listing


def _list_parts(root: Path, parts: Mapping[Part, Path], rules: Rules) -> Listing:
    if "train" not in parts or "test" not in parts:
        missing = "test" if "train" in parts else "train"
        help = _LAYOUT
        if missing == "test" and "val" in parts:
            help = f"rename `{parts['val'].name}` to `test`: a tenth of `train` is then for validation"
        elif missing == "test":
            help = (
                f"a tenth of the images is for the test with `--data folder:{parts['train']}`; or {_LAYOUT}"
            )
        raise RunError(f"{root} has {_named(parts)} but no folder `{missing}`", help)
    listing = Listing({})
    for part, folder in parts.items():
        if part == "val" and rules == 1:
            continue
        listing.parts[part] = {}
        _add_classes(listing, part, folder, rules)
    return listing


def _add_classes(listing: Listing, part: Part, folder: Path, rules: Rules) -> None:
    """Lists the classes in a folder; names that differ in their Unicode form only are one class."""
    loose = [entry for entry in _WALK.entries(folder) if is_named_image(entry) and not os.path.isdir(entry)]
    folders = _WALK.folders(folder)
    if loose and not folders:
        raise RunError(f"{folder} has {_counted(loose)}, but no folder for each class", _LAYOUT)
    if loose:
        listing.notes.append(f"not used: {_counted(loose)} beside the folders of classes, such as {loose[0]}")
    deep: list[Path] = []
    for each in folders:
        name = unicodedata.normalize("NFC", each.name) if rules > 1 else each.name
        files = listing.parts[part].setdefault(name, [])
        if rules == 1:
            files += _WALK.entries(each)
            continue
        if len(within := _parts(_WALK.folders(each))) > 1:
            raise RunError(
                f"{each} is where a class is expected, but has {_named(within)}",
                f"give the folder above them, `--data folder:{each}`" if len(folders) == 1 else _LAYOUT,
            )
        for file in _WALK.files(each):
            files.append(file)
            if file.parent != each:
                deep.append(file)
    if deep:
        listing.notes.append(
            f"used too: {_counted(deep, 'file')} in folders below those of classes, such as {deep[0]} "
            f"of class `{deep[0].relative_to(folder).parts[0]}`"
        )
    lowered = Counter(name.lower() for name in listing.parts[part])
    for name in (name for name, count in lowered.items() if count > 1):
        alike = ", ".join(f"`{each}`" for each in listing.parts[part] if each.lower() == name)
        listing.notes.append(f"classes in {folder} that differ in capitals only: {alike}")


def _parts(folders: list[Path]) -> dict[Part, Path]:
    """The folders of training, validation and test images among these. Raises RunError for two of a kind."""
    parts: dict[Part, Path] = {}
    for folder in folders:
        if part := part_named(folder.name):
            if part in parts:
                raise RunError(
                    f"{folder.parent} has two folders for `{part}`: `{parts[part].name}` and `{folder.name}`",
                    "remove or rename one of them",
                )
            parts[part] = folder
    return parts


def _named(parts: Mapping[Part, Path]) -> str:
    names = [f"`{folder.name}`" for folder in parts.values()]
    return f"the folder{'s' * (len(names) > 1)} {' and '.join(names)}"


def _counted(files: list[Path], what: str = "image") -> str:
    return f"{len(files):,} {what}{'s' * (len(files) != 1)}"


def _require_classes(root: Path, listing: Listing) -> None:
    train = listing.parts["train"]
    for name, files in train.items():
        if not files:
            raise RunError(f"class `{name}` in {root} has no images", _LAYOUT)
    for part, of_part in listing.parts.items():
        if not any(of_part.values()):
            raise RunError(f"{root} has no images for {PURPOSES[part]}", _LAYOUT)
        if strange := sorted(of_part.keys() - train.keys()):
            names = ", ".join(f"`{name}`" for name in strange)
            raise RunError(f"`{part}` in {root} has classes that `train` lacks: {names}", _LAYOUT)


def _require_images(
    root: Path, classes: tuple[str, ...], parts: Mapping[Part, Split], console: Console
) -> None:
    counts = {
        part: torch.bincount(split.labels, minlength=len(classes)).tolist() for part, split in parts.items()
    }
    for name, count in zip(classes, counts["train"], strict=True):
        if not count:
            raise RunError(f"class `{name}` in {root} has no readable image to train on", _LAYOUT)
    others: tuple[Part, ...] = ("val", "test")
    for part in [part for part in others if part in parts]:
        if not len(parts[part]):
            raise RunError(f"{root} has no readable image for {PURPOSES[part]}", _LAYOUT)
        pairs = zip(classes, counts[part], strict=True)
        if missing := [f"`{name}`" for name, count in pairs if not count]:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            say(console, f"no {PURPOSES[part]} images of class{'es' * (len(missing) > 1)} {shown}")
