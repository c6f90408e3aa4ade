"""Random augmentation of images, independent for each image.

All random numbers are drawn in advance, on the CPU, and depend only on the seed and the epoch: the order of
the images, the batch, the process and the device do not change the augmentation of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import (
    Augmentation,
    Crop,
    CutMix,
    Cutout,
    Erase,
    Flip,
    Jitter,
    MixUp,
    RandAugment,
    ResizeCrop,
    Rotate,
    Zoom,
)
from netdsl.runtime import image_steps, rand_augment, seeds
from netdsl.runtime.detection import augment_boxes
from netdsl.runtime.errors import RunError
from netdsl.runtime.segmentation import IGNORED


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers for N images: a tensor for each step of the recipe, with a row for each image.

    (N,) bool for `flip`, (N, 2) int64 with a row and a column for `crop` and `cutout`, (N, 3) for `zoom`.
    """

    steps: tuple[Tensor, ...]

    def __getitem__(self, index: Tensor | slice) -> Draws:
        """The draws of some of the images."""
        return Draws(tuple(step[index] for step in self.steps))

    def to(self, device: torch.device) -> Draws:
        return Draws(tuple(step.to(device, non_blocking=True) for step in self.steps))


def draw(steps: tuple[Augmentation, ...], count: int, size: tuple[int, int], epoch: int, seed: int) -> Draws:
    """The draws of one epoch, counted from 0, for `count` training images of `size` (height, width).

    Row i belongs to image i of the training set, in any order of the epoch. Raises RunError if the images
    are too small for a step.
    """
    both = len({type(step) for step in steps} & {MixUp, CutMix}) == 2
    return Draws(
        tuple(
            (
                image_steps.draw_mix(step, both, count, epoch, seed)
                if isinstance(step, MixUp | CutMix)
                else _draw(step, place, count, size, epoch, seed)
            )
            for place, step in enumerate(steps)
        )
    )


def _draw(
    step: Flip | Crop | Cutout | Zoom | Rotate | ResizeCrop | Erase | Jitter | RandAugment,
    place: int,
    count: int,
    size: tuple[int, int],
    epoch: int,
    seed: int,
) -> Tensor:
    generator = seeds.generator("augment", seed, place, epoch)
    match step:
        case Flip(alternating=True):
            # A fixed half is mirrored in the even epochs, the other half in the odd ones.
            half = torch.rand(count, generator=seeds.generator("half", seed, place)) < 0.5
            return half ^ bool(epoch % 2)
        case Flip():
            return torch.rand(count, generator=generator) < 0.5
        case Crop(padding, mode):
            if mode == "reflect" and padding >= min(size):
                shape = "x".join(map(str, size))
                raise RunError(
                    f"crop({padding}, padding_mode=reflect) mirrors more than an image of {shape} has",
                    f"pad by {min(size) - 1} at most, or write `padding_mode=zeros`",
                )
            return torch.randint(2 * padding + 1, (count, 2), generator=generator)
        case Cutout():
            places = [torch.randint(length, (count,), generator=generator) for length in size]
            return torch.stack(places, 1)
        case Zoom(low, high):
            return augment_boxes.draw_zoom(count, low, high, generator)
        case RandAugment():
            return rand_augment.draw(step, count, generator)
        case _:
            return image_steps.draw(step, count, size, generator)


def apply(
    images: Tensor,
    targets: Tensor,
    steps: tuple[Augmentation, ...],
    draws: Draws,
    mean: Tensor,
    distance: int = 1,
) -> tuple[Tensor, Tensor]:
    """Applies the steps of a recipe to float images (N, C, H, W) and their targets, with their N draws.

    Of the targets, boxes (N, M, 5) and masks (N, H, W) uint8 move with their images; classes (N,) stay.
    Mixed classes are (N, 3): the class, that of the image mixed in, which is `distance` before it, and the
    share of the first. `mean`, (C,), is the fill colour. All tensors must be on one device; it is not
    synchronised.
    """
    if targets.dtype is torch.uint8:
        # Shifted so that pixels of no class are 0, which enters at the edges.
        masks = (targets.to(images.dtype) - IGNORED)[:, None]
        for step, drawn in zip(steps, draws.steps, strict=True):
            masks = _of_mask(step, masks, drawn)
        targets = (masks[:, 0] + IGNORED).to(torch.uint8)
    boxes = targets if targets.is_floating_point() else images.new_zeros(len(images), 0, 5)
    share = torch.ones((), device=images.device)
    for step, drawn in zip(steps, draws.steps, strict=True):
        match step:
            case Flip(vertical=vertical):
                images, boxes = augment_boxes.flip(images, boxes, drawn, vertical)
            case Zoom():
                images, boxes = augment_boxes.zoom(images, boxes, drawn, mean)
            case Crop(padding, mode):
                images = _crop(images, padding, mode, drawn)
            case Cutout(size):
                images = _cutout(images, size, mean, drawn)
            case Rotate():
                images = image_steps.rotate(images, drawn, mean)
            case ResizeCrop():
                images = image_steps.resize_crop(images, drawn)
            case Erase():
                erased = image_steps.inside(drawn, (images.shape[2], images.shape[3]))
                images = torch.where(erased, mean[:, None, None], images)
            case Jitter(hue=hue):
                images = image_steps.jitter(images, drawn)
                images = image_steps.turn_hue(images, drawn[:, 3]) if hue else images
            case RandAugment():
                images = rand_augment.apply(images, step, drawn, mean)
            case MixUp() | CutMix():
                # Of both, one keeps the image as it is: the partners are the same for them.
                images, kept = image_steps.mix(images, step, drawn, image_steps.partners(images, distance))
                share = share * kept
    if share.dim():
        classes = targets.to(share.dtype)
        targets = torch.stack((classes, image_steps.partners(classes, distance), share), 1)
        return images, targets
    return images, boxes if targets.is_floating_point() else targets


def _of_mask(step: Augmentation, masks: Tensor, drawn: Tensor) -> Tensor:
    """A step for masks (N, 1, H, W), which move with their images; 0 enters at the edges."""
    none = masks.new_zeros(len(masks), 0, 5)
    match step:
        case Flip(vertical=vertical):
            return augment_boxes.flip(masks, none, drawn, vertical)[0]
        case Zoom():
            return augment_boxes.zoom(masks, none, drawn, masks.new_zeros(1), "nearest")[0]
        case Crop(padding, mode):
            return _crop(masks, padding, mode, drawn)
        case _:
            return masks


def _crop(images: Tensor, padding: int, mode: Literal["zeros", "reflect"], corners: Tensor) -> Tensor:
    """Crops of the original size from the padded images, by their upper left corners."""
    height, width = images.shape[2:]
    padded = F.pad(images, (padding,) * 4, mode="constant" if mode == "zeros" else mode)
    # A view of all windows, (N, rows, columns, C, height, width), from which one copy takes a window for
    # each image: several times faster than an index for each pixel.
    windows = padded.permute(0, 2, 3, 1).unfold(1, height, 1).unfold(2, width, 1)
    top, left = corners.unbind(1)
    each = torch.arange(len(images), device=images.device)
    # Channels last, as the images come.
    return windows.permute(0, 1, 2, 4, 5, 3)[each, top, left].permute(0, 3, 1, 2)


def _cutout(images: Tensor, size: int, mean: Tensor, centres: Tensor) -> Tensor:
    """A square of `size` pixels around each centre, clipped at the edges, set to the mean."""
    height, width = images.shape[2:]
    corners = centres - size // 2
    rectangles = torch.cat((corners, torch.full_like(corners, size)), 1)
    return torch.where(image_steps.inside(rectangles, (height, width)), mean[:, None, None], images)
