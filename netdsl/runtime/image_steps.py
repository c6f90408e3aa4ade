"""Augmentations of images with one class each, by numbers that are drawn in advance for each image.

The values are those of torchvision.transforms.v2, which draws once for a whole batch. Images are float from 0
to 1, (N, C, H, W).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netdsl.language.recipe import CutMix, Erase, Jitter, MixUp, ResizeCrop, Rotate
from netdsl.runtime import seeds

# The weights of the channels in a gray image (ITU-R BT.601), as torchvision has them.
_GRAY = (0.2989, 0.587, 0.114)
# The least and the largest ratio of width to height: of crops, and of erased rectangles.
_RATIOS, _ERASED = (3 / 4, 4 / 3), (0.3, 3.3)


def draw(
    step: Rotate | ResizeCrop | Erase | Jitter, count: int, size: tuple[int, int], generator: Generator
) -> Tensor:
    """The draws of one epoch, a row for each of `count` images of `size` (height, width): angles (N,) in
    degrees, rectangles (N, 4) of top, left, height and width, or factors and the turn of the hue (N, 4).
    """
    match step:
        case Rotate(degrees):
            return (2 * torch.rand(count, generator=generator) - 1) * degrees
        case ResizeCrop(low, high):
            return _rectangles(count, size, (low, high), _RATIOS, generator)
        case Erase(probability, low, high):
            erased = torch.rand(count, generator=generator) < probability
            return _rectangles(count, size, (low, high), _ERASED, generator) * erased[:, None]
        case Jitter(brightness, contrast, saturation, hue):
            by = torch.tensor([brightness, contrast, saturation])
            least = (1 - by).clamp(min=0)
            factors = least + (1 + by - least) * torch.rand(count, 3, generator=generator)
            return torch.cat((factors, hue * (2 * torch.rand(count, 1, generator=generator) - 1)), 1)


def _rectangles(
    count: int,
    size: tuple[int, int],
    areas: tuple[float, float],
    ratios: tuple[float, float],
    generator: Generator,
) -> Tensor:
    """Rectangles inside of an image: shares of its area, ratios of width to height, and places, at random."""
    height, width = size
    drawn = torch.rand(count, 4, generator=generator).unbind(1)
    area = (areas[0] + (areas[1] - areas[0]) * drawn[0]) * height * width
    logs = [math.log(ratio) for ratio in ratios]
    ratio = (logs[0] + (logs[1] - logs[0]) * drawn[1]).exp()
    rows = (area / ratio).sqrt().round().clamp(1, height)
    columns = (area * ratio).sqrt().round().clamp(1, width)
    top, left = (drawn[2] * (height - rows + 1)).floor(), (drawn[3] * (width - columns + 1)).floor()
    return torch.stack((top, left, rows, columns), 1)


def draw_mix(step: MixUp | CutMix, both: bool, count: int, epoch: int, seed: int) -> Tensor:
    """The draws of `mixup`, the shares (N, 1) that images keep, or of `cutmix`, (N, 3) with a place in y and
    x too, 0 to 1. With `both` each image has one of the two: the share of the other is 1.
    """
    name = type(step).__name__
    with torch.random.fork_rng(devices=[]):  # Distributions take no generator.
        torch.manual_seed(seeds.derived(name, seed, epoch))
        shares = torch.distributions.Beta(step.alpha, step.alpha).sample((count,))
    coins = torch.rand(count, generator=seeds.generator("mix", seed, epoch)) < 0.5
    if both:
        shares = torch.where(coins == isinstance(step, MixUp), shares, 1.0)
    if isinstance(step, MixUp):
        return shares[:, None]
    places = torch.rand(count, 2, generator=seeds.generator("place", seed, epoch))
    return torch.cat((shares[:, None], places), 1)


def rotate(images: Tensor, angles: Tensor, mean: Tensor) -> Tensor:
    """Images rotated counterclockwise about their centres, bilinearly; the corners have the mean colour."""
    height, width = images.shape[2:]
    radians = angles * (math.pi / 180)
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = radians.cos()
    theta[:, 0, 1], theta[:, 1, 0] = -radians.sin() * (height / width), radians.sin() * (width / height)
    return moved(images, theta, mean)


def moved(images: Tensor, theta: Tensor, mean: Tensor) -> Tensor:
    """Images whose pixels come, bilinearly, from the places `theta` (N, 2, 3) of `F.affine_grid`; around the
    image is the mean colour.
    """
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    fill = mean[:, None, None]
    return F.grid_sample(images - fill, grid, align_corners=False) + fill


def resize_crop(images: Tensor, rectangles: Tensor) -> Tensor:
    """The rectangles of the images, (N, 4), resized bilinearly to the size of the images."""
    top, left, rows, columns = (part[:, None] for part in rectangles.unbind(1))
    y = _centres(top, rows, images.shape[2])
    x = _centres(left, columns, images.shape[3])
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), 3)
    return F.grid_sample(images, grid, align_corners=True, padding_mode="border")


def _centres(start: Tensor, length: Tensor, size: int) -> Tensor:
    """The places of the `size` new pixels in a line of old ones, (N, size), for `grid_sample`."""
    steps = torch.arange(size, device=start.device) + 0.5
    places = (start + steps * length / size - 0.5).maximum(start).minimum(start + length - 1)
    return 2 * places / max(1, size - 1) - 1


def inside(rectangles: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (N, 1, H, W) of the pixels in rectangles, (N, 4) of top, left, height and width."""
    top, left, rows, columns = (part[:, None] for part in rectangles.unbind(1))
    y, x = (torch.arange(length, device=rectangles.device) for length in size)
    in_rows, in_columns = (y >= top) & (y < top + rows), (x >= left) & (x < left + columns)
    return in_rows[:, None, :, None] & in_columns[:, None, None, :]


def jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Images with other brightness, contrast and saturation, in this order: the first three `factors`, (N, 3)
    or more.
    """
    brightness, contrast, saturation = factors[:, :3, None, None, None].unbind(1)
    images = (images * brightness).clamp(0, 1)
    mean = _gray(images).mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean.expand_as(images), images, contrast).clamp(0, 1)
    return torch.lerp(_gray(images).expand_as(images), images, saturation).clamp(0, 1)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Images whose hues are turned by shares (N,) of the circle; their saturation and value in HSV stay. Gray
    images have no hue.
    """
    if images.shape[1] == 1:
        return images
    high, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    span = high - low
    per = torch.where(span == 0, 1, span)
    sixths = torch.where(
        high == red,
        (green - blue) / per,
        torch.where(high == green, 2 + (blue - red) / per, 4 + (red - green) / per),
    )
    sixths = sixths + 6 * turns[:, None, None, None]
    # The distance of each channel's peak from the hue (Smith 1978).
    away = torch.cat([(peak + sixths).remainder(6) for peak in (5, 3, 1)], 1)
    return high - span * torch.minimum(away, 4 - away).clamp(0, 1)


def _gray(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    red, green, blue = (_GRAY[channel] * images[:, channel : channel + 1] for channel in range(3))
    return red + green + blue


def partner_distance(whole: int, processes: int) -> int:
    """The distance in a process's part of a batch between an image and the one that is mixed with it.

    In a batch of `whole` images it is the largest power of two up to a quarter of it. A process has every
    `processes`th image: of a number that divides the distance, all processes mix the pairs that one would.
    Of other numbers, each one mixes its neighbouring images.
    """
    distance = 1 << max(0, (whole // 4).bit_length() - 1)
    return distance // processes if distance % processes == 0 else 1


def partners(images: Tensor, distance: int) -> Tensor:
    """For each of the images, or of other rows, the one that is `distance` before it. The first ones have the
    last ones of those that lie at multiples of the distance from them.
    """
    row = torch.arange(len(images), device=images.device)
    last = row + (len(images) - 1 - row).div(distance, rounding_mode="floor") * distance
    return images[torch.where(row < distance, last, row - distance)]


def mix(images: Tensor, step: MixUp | CutMix, drawn: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """Images mixed with their partners, by the draws of `draw_mix`, and the shares (N,) that they keep."""
    shares = drawn[:, 0]
    if isinstance(step, MixUp):
        return torch.lerp(partners, images, shares[:, None, None, None]), shares
    height, width = images.shape[2:]
    y, x = (drawn[:, 1] * height).floor(), (drawn[:, 2] * width).floor()
    radius = 0.5 * (1 - shares).sqrt()
    half_y, half_x = (radius * height).floor(), (radius * width).floor()
    top, left = (y - half_y).clamp(min=0), (x - half_x).clamp(min=0)
    bottom, right = (y + half_y).clamp(max=height), (x + half_x).clamp(max=width)
    rectangles = torch.stack((top, left, bottom - top, right - left), 1)
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return torch.where(inside(rectangles, (height, width)), partners, images), kept
