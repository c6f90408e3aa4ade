"""A folder of images: `train/<class>/` and `test/<class>/`, or one folder of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from netdsl.runtime.decode import decode, survey
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files
from netdsl.runtime.images import Source, Split, memory_of, moments, require_memory

_LAYOUT = "expected PATH/train/CLASS/* and PATH/test/CLASS/*, or PATH/CLASS/*"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a data set by class; `test` is empty if it is to be split off from `train`."""

    classes: tuple[str, ...]
    train: dict[str, list[Path]]
    test: dict[str, list[Path]]


def read(
    path: str,
    input_shape: tuple[int, ...],
    console: Console,
    stream: bool | None = None,
    room: int | None = None,
) -> Source:
    """The images, converted to the channels and resized to the size of (C, H, W).

    They are in memory, or with `stream` in their files; None means in memory if they take at most `room`
    bytes. Without a `test` folder, a fixed tenth of the images is for the test. Broken images are reported
    on `console` and left out. Raises RunError if no image is usable.
    """
    root = Path(path).expanduser()
    listing = _list(root)
    train_files, train_labels = _flat(listing.classes, listing.train)
    test_files, test_labels = _flat(listing.classes, listing.test)
    files, labels = train_files + test_files, torch.tensor(train_labels + test_labels)
    if stream is None:
        stream = room is not None and memory_of(len(files), input_shape) > room
    if stream:
        sums, whole = survey(root, files, input_shape, console)
        every = Split(Files(files, input_shape), labels, sums)
    else:
        require_memory(len(files), input_shape)
        images, whole = decode(root, files, input_shape, console)
        every = Split(images, labels, moments(images))
    is_test = torch.arange(len(labels)) >= len(train_labels)
    if not listing.test:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        is_test[order[: max(1, len(labels) // 10)]] = True
    train = every[(whole & ~is_test).nonzero().flatten()]
    test = every[(whole & is_test).nonzero().flatten()]
    _require_images(root, listing.classes, train, test)
    return Source(train, test, listing.classes)


def _list(root: Path) -> Listing:
    """The classes and files of a folder in alphabetical order."""
    folders = {entry.name: entry for entry in _entries(root) if entry.is_dir()}
    halves = {"train", "test"} & folders.keys()
    if not halves:
        train = {name: _entries(folder) for name, folder in folders.items()}
        test = {}
    elif len(halves) == 2:
        train, test = (
            {entry.name: _entries(entry) for entry in _entries(folders[half]) if entry.is_dir()}
            for half in ("train", "test")
        )
    else:
        (there,) = halves
        missing = "test" if there == "train" else "train"
        raise RunError(f"{root} has a folder `{there}` but no folder `{missing}`", _LAYOUT)
    for name, files in train.items():
        if not files:
            raise RunError(f"class `{name}` in {root} has no images", _LAYOUT)
    if not train or (halves and not any(test.values())):
        raise RunError(f"{root} has no images to {'test on' if train else 'train on'}", _LAYOUT)
    if strange := sorted(test.keys() - train.keys()):
        names = ", ".join(f"`{name}`" for name in strange)
        raise RunError(f"{root / 'test'} has classes that `train` lacks: {names}", _LAYOUT)
    return Listing(tuple(train), train, test)


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder except hidden ones, sorted by name."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise RunError(f"cannot read the folder {folder}: {error.strerror}", _LAYOUT) from error


def _flat(classes: tuple[str, ...], files: dict[str, list[Path]]) -> tuple[list[Path], list[int]]:
    """The files of all classes in one list, and their labels."""
    flat = [(file, label) for label, name in enumerate(classes) for file in files.get(name, [])]
    return [file for file, _ in flat], [label for _, label in flat]


def _require_images(root: Path, classes: tuple[str, ...], train: Split, test: Split) -> None:
    counts = torch.bincount(train.labels, minlength=len(classes)).tolist()
    for name, count in zip(classes, counts, strict=True):
        if not count:
            raise RunError(f"class `{name}` in {root} has no readable image to train on", _LAYOUT)
    if not len(test):
        raise RunError(f"{root} has no readable image to test on", _LAYOUT)
