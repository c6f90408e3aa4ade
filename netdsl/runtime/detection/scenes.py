"""Scenes for detectors: the package's handwritten digits at random places. Nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from netdsl.runtime import digits, seeds
from netdsl.runtime.images import Source, Split, moments

# Digits of a scene, at most, and the share of a canvas's shorter side that one takes: 14 to 40 of 96 pixels.
MOST = 6
SIDES = (14 / 96, 40 / 96)
# The share of a digit's square that another one may cover.
_COVERED = 0.02
# The places that are tried for a digit; one that finds none is left out.
_PLACES = 8
# The random numbers of a digit: which one it is, its side, its brightness, and each place.
_NUMBERS = 3 + 2 * _PLACES
# From this brightness on, 0 to 1, a pixel belongs to its digit.
_INK = 0.25


@dataclass(frozen=True, slots=True)
class Scenes:
    """The scenes (C, H, W) of these `numbers`, each drawn from a seed of its own when it is asked for.

    Their labels are boxes, or `masks` of background, 0, and the digits from 1 on. Each `part` has digits of
    its own. Another `epoch` has other scenes with the same digits.
    """

    part: digits.Part
    numbers: Tensor
    input_shape: tuple[int, ...]
    seed: int
    epoch: int = 0
    masks: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.numbers), *self.input_shape)

    def __getitem__(self, index: Tensor) -> Scenes:
        return replace(self, numbers=self.numbers[index])

    def at(self, epoch: int) -> Scenes:
        """The scenes of an epoch, counted from 0."""
        return replace(self, epoch=epoch)

    def draw(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Some of the scenes: images (n, C, H, W) uint8, and their boxes (n, 6, 5), padded with -1, or masks
        (n, H, W) uint8.
        """
        channels, height, width = self.input_shape
        every = self.numbers[index].tolist()
        generators = [seeds.generator("scene", self.part, self.seed, self.epoch, i) for i in every]
        numbers = torch.stack([torch.rand(1 + MOST * _NUMBERS, generator=own) for own in generators])
        colours = torch.stack([torch.rand(2, channels, 1, 1, generator=own) for own in generators])
        noise = torch.stack([torch.randn(1, height, width, generator=own) for own in generators])
        glyphs, labels = digits.part(self.part)
        drawn = numbers[:, 1:].unflatten(1, (MOST, _NUMBERS))
        chosen = (drawn[..., 0] * len(glyphs)).long()
        sides = min(height, width) * SIDES[0] * (SIDES[1] / SIDES[0]) ** drawn[..., 1]
        room = torch.tensor([width, height]) - sides[..., None, None]
        corners, present = _place(drawn[..., 3:].unflatten(2, (_PLACES, 2)) * room, sides)
        present &= torch.arange(MOST) <= (numbers[:, :1] * MOST).long()
        ink = _resize(glyphs[chosen].float() / 255, corners, sides, (height, width))
        ink *= present[..., None, None]
        brightness = 0.5 + 0.5 * drawn[..., 2, None, None]
        shade = (ink * brightness).amax(1, keepdim=True)
        dark, bright = 0.3 * colours[:, 0], 0.7 + 0.3 * colours[:, 1]
        images = dark + shade * (bright - dark) + 0.05 * noise
        found = _classes(ink, labels[chosen]) if self.masks else _bounds(ink, labels[chosen])
        return (images * 255).round().clamp(0, 255).to(torch.uint8), found


def read(input_shape: tuple[int, ...], count: int, masks: bool = False) -> Source:
    """Scenes of (C, H, W): `count` for training, other ones in each epoch. A sixth as many are for
    validation, a third for the test, and stay.
    """
    splits = {}
    counts: dict[digits.Part, int] = {"train": count, "validation": -(-count // 6), "test": -(-count // 3)}
    for part, number in counts.items():
        scenes = Scenes(part, torch.arange(number), input_shape, seed=0, masks=masks)
        drawn = [scenes.draw(rows) for rows in scenes.numbers.split(100)]
        images, boxes = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        splits[part] = Split(scenes if part == "train" else images, boxes, moments(images))
    names = (*(["background"] * masks), *map(str, range(10)))
    return Source(splits["train"], splits["test"], names, splits["validation"])


def _place(places: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
    """The first place of each digit that covers no earlier one: (n, 6, 2), and whether it has one (n, 6).

    `places`, (n, 6, tried, 2), are upper left corners of squares with `sides`, (n, 6).
    """
    corners, present = places[:, :, 0].clone(), torch.zeros(sides.shape, dtype=torch.bool)
    for digit in range(sides.shape[1]):
        own = places[:, digit, :, None]  # (n, tried, 1, 2)
        size, others = sides[:, digit, None, None], sides[:, None, :digit]
        ends = torch.minimum(own + size[..., None], corners[:, None, :digit] + others[..., None])
        overlap = (ends - torch.maximum(own, corners[:, None, :digit])).clamp(min=0).prod(3)
        covers = overlap > _COVERED * torch.minimum(size, others) ** 2
        free = ~(covers & present[:, None, :digit]).any(2)  # (n, tried)
        first = free.int().argmax(1)
        corners[:, digit] = places[torch.arange(len(places)), digit, first]
        present[:, digit] = free.any(1)
    return corners, present


def _resize(glyphs: Tensor, corners: Tensor, sides: Tensor, size: tuple[int, int]) -> Tensor:
    """Squares (n, 6, h, w) at their places on canvases of `size`, by bilinear interpolation: (n, 6, H, W)."""
    weights = []
    for axis, (length, own) in enumerate(zip(size, glyphs.shape[2:], strict=True)):
        pixels = torch.arange(length) + 0.5
        places = (pixels - corners[..., 1 - axis, None]) * (own / sides[..., None]) - 0.5
        weights.append((1 - (places[..., None] - torch.arange(own)).abs()).clamp(min=0))
    return weights[0] @ glyphs @ weights[1].mT


def _classes(ink: Tensor, labels: Tensor) -> Tensor:
    """The digit with the most ink at each pixel, counted from 1, of digits (n, 6, H, W): (n, H, W)."""
    most, digit = ink.max(1)
    classes = labels.gather(1, digit.flatten(1)).view_as(digit) + 1
    return (classes * (most > _INK)).to(torch.uint8)


def _bounds(ink: Tensor, labels: Tensor) -> Tensor:
    """The smallest boxes around the ink of digits (n, 6, H, W), as (n, 6, 5)."""
    inked = ink > _INK
    ends = []
    for axis in (3, 2):  # x, y
        line = inked.any(5 - axis)
        ends.append((line.int().argmax(2), line.shape[2] - line.flip(2).int().argmax(2)))
    (left, right), (top, bottom) = ends
    boxes = torch.stack((left, top, right, bottom, labels), 2).float()
    return boxes.masked_fill(~inked.flatten(2).any(2)[..., None], -1)
