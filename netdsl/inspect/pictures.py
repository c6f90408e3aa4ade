"""Reads images from files and from a run's test set, and writes images."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from netdsl.base.paths import real
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.network import CompiledNetwork
from netdsl.ops.operation import describe
from netdsl.runtime.batches import load
from netdsl.runtime.console import progress
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Split
from netdsl.runtime.open_image import Undecodable, decode_one, open_image
from netdsl.runtime.storage import write_atomic
from netdsl.trained.predict import image_files

# `test:3` and `test:0-9` are images of the run's test set.
_TEST = re.compile(r"test:([0-9]{1,9})(?:-([0-9]{1,9}))?")
# The most images in one picture.
MOST = 100
_CPU = torch.device("cpu")


class Picture(NamedTuple):
    """`pixels` are (C, H, W) float32 from 0 to 1, of the network's input shape. `label` is the number of the
    image's class; None if unknown. It is known for test images, and for files in a folder named after a
    class, as in data sets.
    """

    name: str
    pixels: Tensor
    label: int | None


def read(images: Sequence[str], inspected: InspectedRun, most: int = MOST) -> list[Picture]:
    """The images named on a command line: files, folders (without their subfolders), `test:3` or `test:0-9`
    of the run's test set. Raises RunError if one can't be read, the network takes no images, or there are
    more than `most`.
    """
    require_images(inspected.run.network)
    meant = [_meant(argument) for argument in images]
    if (count := sum(map(len, meant))) > most:  # before any is decoded
        raise RunError(f"{count:,} images have no room in one picture", f"name {most} or fewer")
    found: list[Picture] = []
    test: Split | None = None
    for argument, each in zip(images, meant, strict=True):
        if isinstance(each, range):
            test = test or inspected.test_images()
            found += _of_test(test, each, argument)
        else:
            found += [_of_file(file, inspected) for file in each]
    return found


def read_scaled(file: Path, channels: int, size: int) -> Tensor:
    """An image, (1, channels, H, W) float32 from 0 to 1, whose longer side is scaled to `size` pixels. Raises
    RunError if the file is not an image.
    """
    with _readable(file, "name two images: the content, and the style"):
        image = open_image(file, channels).image
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    # As images are resized for training, with PIL's antialiasing.
    pixels = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
    return _floats(torch.from_numpy(pixels.reshape(height, width, channels)))[None]


def write_image(image: Tensor, file: Path) -> None:
    """Writes (C, H, W), from 0 to 1, as 8 bits; the ending of `file` chooses the format. Raises RunError."""
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(
        content, Image.registered_extensions()[file.suffix.lower()], quality=95
    )
    write_atomic(file, content.getvalue())


def batches(split: Split, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """All images (n, C, H, W), float32 from 0 to 1, and their labels, (n,) int64, on the device."""
    rows = list(torch.arange(len(split)).split(size))
    for batch in load(split.to(device), rows, ALONE, device, workers=0):
        yield batch.images.float() / 255, batch.targets


def watched(
    split: Split, size: int, device: torch.device, what: str, console: Console
) -> Iterator[tuple[Tensor, Tensor]]:
    """Like `batches`, with a progress bar on the console's terminal."""
    with progress(f"{what} {len(split):,} images", -(-len(split) // size), console) as advance:
        for batch in batches(split, size, device):
            yield batch
            advance()


def evenly(split: Split, count: int | None) -> Split:
    """`count` images, spread evenly since those of a folder are sorted by class; all if `count` is None."""
    taken = min(count or len(split), len(split))
    return split[torch.arange(taken) * len(split) // taken]


def require_images(network: CompiledNetwork) -> tuple[int, int, int]:
    """The shape of the images that a network takes, (C, H, W). Raises RunError if it takes no images."""
    shape = network.input_shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise RunError(
            f"the input of `{network.name}` is {describe(shape)}, not an image",
            "use a network whose `input` has 1 or 3 channels",
        )
    return shape


def _meant(argument: str) -> range | list[Path]:
    """The rows of the test set, or the files, that an argument names."""
    if not argument.startswith("test:"):
        return image_files([Path(argument)])
    if not (match := _TEST.fullmatch(argument)):
        raise RunError(f"`{argument}` is not a range of test images", "write `test:3`, or `test:0-9` for ten")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise RunError(f"`{argument}` ends before it begins", f"write `test:{last}-{first}`")
    return range(first, last + 1)


def _of_test(test: Split, rows: range, argument: str) -> list[Picture]:
    if rows[-1] >= len(test):
        raise RunError(
            f"`{argument}`: the run has {len(test):,} test images", f"they are test:0-{len(test) - 1}"
        )
    ((pixels, labels),) = batches(test[torch.tensor(rows)], len(rows), _CPU)
    # Images with boxes are of no class.
    known = labels.tolist() if labels.dim() == 1 else [None] * len(rows)
    named = zip(rows, pixels, known, strict=True)
    return [Picture(f"test:{row}", own, label) for row, own, label in named]


def _of_file(file: Path, inspected: InspectedRun) -> Picture:
    with _readable(file, "name an image, a folder of images, or `test:0`"):
        pixels, _ = decode_one(file, inspected.run.network.input_shape)
    folder = real(file).parent.name
    label = inspected.classes.index(folder) if folder in inspected.classes else None
    return Picture(str(file), _floats(torch.from_numpy(pixels.copy())), label)


def _floats(pixels: Tensor) -> Tensor:
    """(H, W, C) uint8 -> (C, H, W) float32 from 0 to 1."""
    return pixels.permute(2, 0, 1).float() / 255


@contextmanager
def _readable(file: Path, help: str) -> Iterator[None]:
    """Within the block, an image that can't be read is a RunError."""
    try:
        yield
    except Undecodable as error:
        raise RunError(f"{file}: {error}", help) from error
