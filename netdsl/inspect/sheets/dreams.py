"""Dreams of a run's classes: their starts, the network's predictions, and the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from netdsl.inspect.dreams import Dreams, noise
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.pictures import read, require_images
from netdsl.inspect.sheets.captions import Answer, fitting, predicted
from netdsl.inspect.sheets.panels import Panel, in_rows, write_sheet
from netdsl.runtime.console import progress
from netdsl.runtime.errors import RunError

# The number of classes in a batch, limited by memory; the result does not depend on it.
_AT_ONCE = 10
# The fewest columns of a sheet.
_ACROSS = 5


class Dreamed(NamedTuple):
    """The image of a class, (C, H, W), the score of the class at the start and for the image, the class's
    probability, and the predicted class.
    """

    name: str
    image: Tensor
    start: float
    end: float
    probability: float
    predicted: Answer


def of_noise(inspected: InspectedRun, size: int | None, seed: int) -> Tensor:
    """Noise with the mean and deviation of the training images, (1, C, H, W), of the network's input shape or
    of `size`. Raises RunError if the network can't take images of that shape.
    """
    model = inspected.model
    channels, *sides = require_images(model.network)
    height, width = (size, size) if size else sides
    generator = torch.Generator().manual_seed(seed)
    start = noise((channels, height, width), model.mean.cpu(), model.deviation.cpu(), generator)
    start = start.to(inspected.device)
    if size:
        _require_size(model, start)
    return start


def of_image(image: str, inspected: InspectedRun) -> Tensor:
    """An image as the network takes it, (1, C, H, W). Raises RunError if it can't be read or the network
    takes no images.
    """
    found = read([image], inspected)
    if len(found) != 1:
        raise RunError(f"`{image}` is {len(found)} images, not one image", "name one of them")
    return found[0].pixels[None].to(inspected.device)


def dream_of(
    inspected: InspectedRun,
    numbers: Sequence[int],
    start: Tensor,
    dream: Callable[..., Dreams],
    seed: int,
    steps: int,
) -> list[Dreamed]:
    """The images that `dream`, which is `netdsl.inspect.dream` with its settings, finds for classes.

    All classes get the same jitter, so the image of a class does not depend on the other classes.
    """
    groups = torch.tensor(numbers, device=start.device).split(_AT_ONCE)
    dreamed: list[Dreamed] = []
    with progress("dreaming", steps * len(groups), inspected.console) as advance:
        for classes in groups:
            generator = torch.Generator().manual_seed(seed)
            found = dream(inspected.model, classes, start, generator=generator, after_step=advance)
            dreamed += _judged(inspected.model, classes, start, found.images)
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
def _require_size(model: Inspected, images: Tensor) -> None:
    try:
        model(images)
    except RuntimeError as error:  # all that torch says of shapes
        _, height, width = require_images(model.network)
        size = images.shape[-1]
        raise RunError(
            f"`{model.network.name}` takes no images of {size}x{size}",
            f"remove `--size`: they are {height}x{width}",
        ) from error
