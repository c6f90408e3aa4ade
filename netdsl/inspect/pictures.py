"""Images that a network is shown: files, and those of its run's test set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from netdsl.runtime.batches import load
from netdsl.runtime.data import Split
from netdsl.runtime.decode import decode_one
from netdsl.runtime.errors import RunError
from netdsl.runtime.world import ALONE
from netdsl.trained.predict import image_files
from netdsl.trained.run import OpenedRun

# `test:3` and `test:0-9` are images of the run's test set.
_TEST = re.compile(r"test:(\d+)(?:-(\d+))?")


class Picture(NamedTuple):
    """`pixels` are (C, H, W) float32 from 0 to 1, of the network's input shape. `label` is the number of
    the image's class, None where nobody says: known are those of test images, and of files that lie in a
    folder with the name of a class, as data sets have them.
    """

    name: str
    pixels: Tensor
    label: int | None


def read(images: Sequence[str], run: OpenedRun, classes: Sequence[str], console: Console) -> list[Picture]:
    """The images that are meant: files, folders (the images right in them), `test:3` or `test:0-9` of the
    run's test set. Raises RunError where one can't be read.
    """
    found: list[Picture] = []
    test: Split | None = None
    for argument in images:
        if match := _TEST.fullmatch(argument):
            test = test or run.data(console).test
            found += _of_test(test, int(match[1]), int(match[2] or match[1]), argument)
        elif argument.startswith("test:"):
            raise RunError(f"`{argument}` names no test images", "write `test:3`, or `test:0-9` for ten")
        else:
            found += [_of_file(file, run, classes) for file in image_files([Path(argument)])]
    return found


def batches(split: Split, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """All images (n, C, H, W), float32 from 0 to 1, and their labels, (n,) int64, on the device."""
    rows = list(torch.arange(len(split)).split(size))
    for batch in load(split, rows, ALONE, device, workers=0):
        yield batch.images.float() / 255, batch.labels.to(device)


def require_class(name: str, classes: Sequence[str]) -> int:
    """The number of a class. Raises RunError where there is none, and lists those that exist."""
    if name not in classes:
        raise RunError(f"there is no class `{name}`", f"the network's are {', '.join(classes)}")
    return list(classes).index(name)


def _of_test(test: Split, first: int, last: int, argument: str) -> list[Picture]:
    if not first <= last < len(test):
        raise RunError(
            f"`{argument}`: the run has {len(test):,} test images", f"they are test:0-{len(test) - 1}"
        )
    rows = range(first, last + 1)
    ((pixels, labels),) = batches(test[torch.tensor(rows)], len(rows), torch.device("cpu"))
    named = zip(rows, pixels, labels.tolist(), strict=True)
    return [Picture(f"test:{row}", own, label) for row, own, label in named]


def _of_file(file: Path, run: OpenedRun, classes: Sequence[str]) -> Picture:
    shape = run.network.input_shape
    if len(shape) != 3:
        raise RunError(f"`{run.network.name}` takes vectors, not images", "its `input` is no image")
    pixels = decode_one(file, shape)
    if pixels is None:
        reason = "is not an image" if file.exists() else "doesn't exist"
        raise RunError(f"{file} {reason}", "name an image, a folder of images, or `test:0`")
    folder = file.resolve().parent.name
    label = list(classes).index(folder) if folder in classes else None
    return Picture(str(file), torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255, label)
