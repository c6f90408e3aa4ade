from __future__ import annotations

import torch

from netdsl.recipe import Crop, Cutout, Flip
from netdsl.runtime.augment import augment, crop, cutout, flip


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_flip_mirrors_about_half() -> None:
    images = torch.rand(200, 3, 4, 5)
    flipped = flip(images, generator())
    same = (flipped == images).all((1, 2, 3))
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_crop_shifts_and_fills_with_black() -> None:
    image = torch.arange(1.0, 13).reshape(1, 1, 3, 4).expand(300, 2, 3, 4)
    cropped = crop(image, 1, generator())
    assert cropped.shape == image.shape
    padded = torch.nn.functional.pad(image[0], (1, 1, 1, 1))
    windows = [padded[:, y : y + 3, x : x + 4] for y in range(3) for x in range(3)]
    found = [sum(bool((one == window).all()) for one in cropped) for window in windows]
    assert sum(found) == 300
    assert min(found) > 0


def test_cutout_sets_one_square_to_the_mean() -> None:
    mean = torch.tensor([0.25, 0.75])
    cut = cutout(torch.ones(500, 2, 8, 6), 3, mean, generator())
    changed = cut != 1
    assert (cut[:, 0][changed[:, 0]] == 0.25).all()
    assert (cut[:, 1][changed[:, 1]] == 0.75).all()
    assert (changed[:, 0] == changed[:, 1]).all()
    areas = changed[:, 0].sum((1, 2))
    # Whole in the middle, clipped at the edges, and 2x2 at least: the middle pixel is inside.
    assert areas.max() == 9
    assert areas.min() == 4


def test_steps_run_in_order_and_repeat_with_the_seed() -> None:
    images, mean = torch.rand(16, 3, 8, 8), torch.zeros(3)
    steps = (Flip(), Crop(2), Cutout(4))
    once, again = (augment(images, steps, mean, generator()) for _ in range(2))
    assert torch.equal(once, again)
    by_hand = generator()
    expected = cutout(crop(flip(images, by_hand), 2, by_hand), 4, mean, by_hand)
    assert torch.equal(once, expected)
    assert torch.equal(augment(images, (), mean, generator()), images)
