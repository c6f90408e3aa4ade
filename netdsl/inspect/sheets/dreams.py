"""Dreams of a run's classes: where they begin, what the network says of them, and their sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from netdsl.inspect.dreams import Dreams, noise
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.pictures import read, require_images
from netdsl.inspect.progress import progress
from netdsl.inspect.sheets.captions import Answer, fitting, predicted
from netdsl.inspect.sheets.panels import Panel, in_rows, write_sheet
from netdsl.runtime.errors import RunError
from netdsl.trained.open_run import OpenedRun, Which

# So many classes are dreamed of at once, for memory's sake; the result doesn't depend on it.
_AT_ONCE = 10
# A row of the sheet has so many images, or as many as there are rows.
_ACROSS = 5


class Dreamed(NamedTuple):
    """The image of a class, (C, H, W), the score of the class where it began and of the image, the
    probability of the class, and what is predicted.
    """

    name: str
    image: Tensor
    start: float
    end: float
    probability: float
    predicted: Answer


def of_noise(run: OpenedRun, model: Inspected, size: int | None, seed: int) -> Tensor:
    """Noise with mean and deviation of the training images, (1, C, H, W), of the network's input shape or
    of `size`. Raises RunError where the network takes no such images.
    """
    channels, *sides = require_images(run.network)
    height, width = (size, size) if size else sides
    generator = torch.Generator().manual_seed(seed)
    start = noise((channels, height, width), model.mean.cpu(), model.deviation.cpu(), generator)
    start = start.to(model.mean.device)
    if size:
        _require_size(run, model, start)
    return start


def of_image(image: str, run: OpenedRun, which: Which, console: Console) -> Tensor:
    """An image as the network takes it, (1, C, H, W), on the CPU. Raises RunError where it can't be read, or
    the network takes none.
    """
    found = read([image], run, which, console)
    if len(found) != 1:
        raise RunError(f"`{image}` is not one image", f"there are {len(found)}: name one of them")
    return found[0].pixels[None]


def dream_of(
    model: Inspected,
    numbers: Sequence[int],
    start: Tensor,
    dream: Callable[..., Dreams],
    seed: int,
    steps: int,
    console: Console,
) -> list[Dreamed]:
    """What `dream` finds for classes: `netdsl.inspect.dream` with its settings. All classes see the same
    jitter, so the image of one is the same whatever the others are. Progress goes to the console.
    """
    groups = torch.tensor(numbers, device=start.device).split(_AT_ONCE)
    dreamed: list[Dreamed] = []
    with progress("dreaming", steps * len(groups), console) as advance:
        for classes in groups:
            generator = torch.Generator().manual_seed(seed)
            found = dream(model, classes, start, generator=generator, after_step=advance)
            dreamed += _judged(model, classes, start, found.images)
    return dreamed


def write_dreams(dreamed: Sequence[Dreamed], file: Path) -> None:
    """A sheet of images in rows of nearly equal length, with their classes and probabilities."""
    most = max(_ACROSS, math.ceil(math.sqrt(len(dreamed))))
    panels = [Panel(each.image, f"{fitting(each.name)}\n{each.probability:.1%}") for each in dreamed]
    write_sheet(in_rows(panels, most), file)


@torch.no_grad()
def _judged(model: Inspected, classes: Tensor, start: Tensor, images: Tensor) -> list[Dreamed]:
    before, logits = model(start)[0], model(images)
    probabilities = logits.softmax(1)
    return [
        Dreamed(
            model.classes[number],
            image,
            float(before[number]),
            float(own[number]),
            float(shares[number]),
            predicted(shares, model.classes),
        )
        for number, image, own, shares in zip(classes.tolist(), images, logits, probabilities, strict=True)
    ]


@torch.no_grad()
def _require_size(run: OpenedRun, model: Inspected, images: Tensor) -> None:
    try:
        model(images)
    except RuntimeError as error:  # all that torch says of shapes
        _, height, width = require_images(run.network)
        size = images.shape[-1]
        raise RunError(
            f"`{run.network.name}` takes no images of {size}x{size}",
            f"leave out `--size`: they are of {height}x{width}",
        ) from error
