"""Sheets of images and their saliency maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from netdsl.inspect.attributions import integrated_gradients, occlusion
from netdsl.inspect.boxes import Box, Boxes
from netdsl.inspect.gradients import grad_cam, last_layer, saliency, smooth_grad
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.pictures import Picture
from netdsl.inspect.sheets.captions import Answer, fitting, predicted, short
from netdsl.inspect.sheets.panels import Colours, Panel, in_rows, write_sheet
from netdsl.runtime.console import progress
from netdsl.runtime.detection.draw import with_boxes
from netdsl.runtime.errors import RunError

Method: TypeAlias = Literal["simple", "smooth-grad", "grad-cam", "integrated-gradients", "occlusion"]

# The most panels in a row.
_ACROSS = 6


class Explained(NamedTuple):
    """An image, its label if known, its predicted class, and the class whose score is explained, number
    `number`; of a detector the score of a `box`.
    """

    picture: Picture
    label: str | None
    predicted: Answer
    explained: Answer
    number: int
    box: Box | None = None


def choose_boxes(
    boxes: Boxes, pictures: Sequence[Picture], classes: Sequence[str], wanted: int | None, rank: int
) -> list[Explained]:
    """The box to explain in each image: number `rank`, from 0, of those that are found, if given of the class
    `wanted`. Raises RunError if there are not so many.
    """
    chosen = []
    for picture in pictures:
        every, found = boxes.found(picture.pixels), boxes.found(picture.pixels, wanted)
        if rank >= len(found):
            of = "" if wanted is None else f" of class `{classes[wanted]}`"
            raise RunError(
                f"{picture.name}: there is no box {rank}{of}: {len(found)} are found",
                "`netdsl predict RUN IMAGE` lists the boxes; number 0 is the surest",
            )
        box = found[rank]
        surest, explained = (Answer(classes[each.kind], each.score) for each in (every[0], box))
        chosen.append(Explained(picture, None, surest, explained, box.number, box))
    return chosen


def choose(
    inspected: InspectedRun, pictures: Sequence[Picture], wanted: int | None, always_predicted: bool
) -> list[Explained]:
    """The class to explain for each image: `wanted` if given, else the label if known, else the predicted
    class.
    """
    chosen, classes = [], inspected.classes
    for picture in pictures:
        probabilities = inspected.probabilities(picture.pixels[None])[0]
        number = picture.label if wanted is None else wanted
        if number is None or always_predicted:
            number = int(probabilities.argmax())
        label = None if picture.label is None else classes[picture.label]
        explained = Answer(classes[number], float(probabilities[number]))
        chosen.append(Explained(picture, label, predicted(probabilities, classes), explained, number))
    return chosen


class Look(NamedTuple):
    """Options of the maps; `layer` is Grad-CAM's."""

    methods: Sequence[Method]
    layer: str | None = None
    seed: int = 0
    maps_only: bool = False


def write_maps(inspected: InspectedRun, explained: Sequence[Explained], look: Look, file: Path) -> None:
    """Draws each image with a map of each method beside it. Raises RunError."""
    groups = []
    with progress("maps", len(explained), inspected.console) as advance:
        for image in explained:
            groups.append(_panels(inspected.model, image, look))
            advance()
    write_sheet(arranged(groups), file)


def arranged(groups: Sequence[list[Panel]]) -> list[list[Panel]]:
    """Groups of panels of equal size in rows of nearly equal length."""
    rows = in_rows(groups, max(1, _ACROSS // len(groups[0])))
    return [[panel for group in row for panel in group] for row in rows]


def _panels(model: Inspected, image: Explained, look: Look) -> list[Panel]:
    caption = _caption(image)
    pixels = image.picture.pixels
    shown = pixels if image.box is None else _with_box(pixels, image.box)
    panels = [] if look.maps_only else [Panel(shown, caption)]
    for method in look.methods:
        found, title, colours = _map(model, image, method, look)
        if not found.any():
            title += "\n(zero everywhere)"
        if method == "grad-cam" and not look.maps_only:
            panels.append(Panel(found, title, "turbo", over=pixels))
        else:
            panels.append(Panel(found, title, colours))
    if look.maps_only:
        panels[0] = panels[0]._replace(caption=f"{caption}\n{panels[0].caption}")
    return panels


def _with_box(pixels: Tensor, box: Box) -> Tensor:
    """An image with a box, enlarged if it is small."""
    drawn = with_boxes((pixels * 255).round().byte(), box.corners[None], torch.tensor([0]), [""], 1)
    return drawn.float() / 255


def _map(model: Inspected, image: Explained, method: Method, look: Look) -> tuple[Tensor, str, Colours]:
    """A map, its title, and its colours: blue and red if it has both signs."""
    device = model.mean.device
    # Each image separately, with a new generator, so that its map does not depend on the other images.
    images, classes = image.picture.pixels[None].to(device), torch.tensor([image.number], device=device)
    match method:
        case "simple":
            return saliency(model, images, classes)[0], "saliency", "magma"
        case "smooth-grad":
            generator = torch.Generator().manual_seed(look.seed)
            return smooth_grad(model, images, classes, generator=generator)[0], "SmoothGrad", "magma"
        case "grad-cam":
            layer = last_layer(model) if look.layer is None else look.layer
            return grad_cam(model, images, classes, layer)[0], fitting(layer, before="Grad-CAM, "), "magma"
        case "integrated-gradients":
            return integrated_gradients(model, images, classes)[0], "integrated gradients", "RdBu_r"
        case "occlusion":
            return occlusion(model, images, classes)[0], "occlusion", "RdBu_r"


def _caption(image: Explained) -> str:
    """The image's name and the explained class; the label and the predicted class if they differ from it."""
    lines = [fitting(short(image.picture.name)), image.explained.line()]
    for what, name in (("label", image.label), ("predicted", image.predicted.name)):
        if name not in (None, image.explained.name):
            lines.append(fitting(name, before=f"{what}: "))
    return "\n".join(lines)
