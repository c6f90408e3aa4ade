"""Augmentations compute the values of torchvision's, for each image by its own draws."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tv

from netdsl.language.recipe import (
    Augmentation,
    CutMix,
    Erase,
    Flip,
    Jitter,
    MixUp,
    RandAugment,
    Recipe,
    ResizeCrop,
    Rotate,
)
from netdsl.runtime import augment, image_steps, rand_augment
from netdsl.runtime.augment import Draws
from netdsl.runtime.distributed import Processes
from netdsl.runtime.task import classification

IMAGES = torch.rand(24, 3, 10, 12, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(24) % 5
BLACK, MEAN = torch.zeros(3), torch.tensor([0.2, 0.4, 0.6])


def drawn(step: Augmentation, count: int = 24, epoch: int = 0) -> Tensor:
    return augment.draw((step,), count, (10, 12), epoch, 0).steps[0]


def test_rotations() -> None:
    angles = drawn(Rotate(40.0))
    assert angles.abs().max() <= 40 and angles.min() < -10 and angles.max() > 10
    found = image_steps.rotate(IMAGES, angles, BLACK)
    for image, angle, own in zip(IMAGES, angles.tolist(), found, strict=True):
        torch.testing.assert_close(
            own, tv.rotate(image, angle, InterpolationMode.BILINEAR), rtol=0, atol=1e-5
        )


def test_crops_that_are_resized() -> None:
    rectangles = drawn(ResizeCrop(0.2, 0.8), 24)
    found = image_steps.resize_crop(IMAGES, rectangles)
    for image, (top, left, rows, columns), own in zip(IMAGES, rectangles.int().tolist(), found, strict=True):
        expected = tv.resized_crop(image, top, left, rows, columns, [10, 12], antialias=False)
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
    shares = rectangles[:, 2] * rectangles[:, 3] / 120
    assert 0.1 < shares.min() < 0.4 and 0.6 < shares.max() <= 1


def test_erased_rectangles() -> None:
    rectangles = drawn(Erase(0.5, 0.1, 0.4), 400)
    assert 150 < (rectangles[:, 2] > 0).sum() < 250
    found, _ = augment.apply(IMAGES, LABELS, (Erase(),), Draws((rectangles[:24],)), MEAN)
    for image, (top, left, rows, columns), own in zip(IMAGES, rectangles.int().tolist(), found, strict=False):
        assert torch.equal(own, tv.erase(image, top, left, rows, columns, MEAN[:, None, None]))


def test_jittered_colours() -> None:
    factors = drawn(Jitter(0.4, 1.5, 0.0))
    assert (factors[:, 2] == 1).all() and factors[:, 0].min() >= 0.6 and factors[:, 1].min() < 0.5
    factors[:, 2] = torch.linspace(0, 2, 24)
    found = image_steps.jitter(IMAGES, factors)
    rows = factors[:, :3].tolist()
    for image, (brightness, contrast, saturation), own in zip(IMAGES, rows, found, strict=True):
        expected = tv.adjust_contrast(tv.adjust_brightness(image, brightness), contrast)
        torch.testing.assert_close(own, tv.adjust_saturation(expected, saturation), rtol=0, atol=1e-5)
    assert (factors[:, 3] == 0).all()
    gray = IMAGES[:, :1]
    torch.testing.assert_close(
        image_steps.jitter(gray, torch.tensor([[1.0, 0.5, 0.3]] * 24))[0], tv.adjust_contrast(gray[0], 0.5)
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixup_is_that_of_torchvision(share: float) -> None:
    """`MixUp` with one share for all: lam * x + (1 - lam) * x.roll(1, 0)."""
    draws = Draws((torch.full((24, 1), share),))
    images, targets = augment.apply(IMAGES, LABELS, (MixUp(),), draws, MEAN)
    torch.testing.assert_close(images, IMAGES.roll(1, 0) * (1 - share) + IMAGES * share)
    hot = F.one_hot(LABELS, 5).float()
    logits = torch.randn(24, 5, generator=torch.Generator().manual_seed(3))
    expected = F.cross_entropy(logits, hot.roll(1, 0) * (1 - share) + hot * share, reduction="sum")
    loss, _ = classification(Recipe(augment=(MixUp(),))).objective(logits, targets)
    torch.testing.assert_close(loss, expected)


def test_cutmix_is_that_of_torchvision() -> None:
    """The box and the share of the area are those of `CutMix.make_params`."""
    draws = augment.draw((CutMix(),), 24, (10, 12), 0, 0)
    images, targets = augment.apply(IMAGES, LABELS, (CutMix(),), draws, MEAN)
    for i, (share, y, x) in enumerate(draws.steps[0].tolist()):
        r_y, r_x, radius = int(y * 10), int(x * 12), 0.5 * (1 - share) ** 0.5
        half_y, half_x = int(radius * 10), int(radius * 12)
        y1, y2, x1, x2 = (
            max(0, r_y - half_y),
            min(10, r_y + half_y),
            max(0, r_x - half_x),
            min(12, r_x + half_x),
        )
        expected = IMAGES[i].clone()
        expected[:, y1:y2, x1:x2] = IMAGES[i - 1][:, y1:y2, x1:x2]
        assert torch.equal(images[i], expected)
        assert targets[i, 2] == pytest.approx(1 - (y2 - y1) * (x2 - x1) / 120)
        assert targets[i, :2].tolist() == [LABELS[i], LABELS[i - 1]]


def test_hues_are_turned() -> None:
    turns = drawn(Jitter(0, 0, 0, hue=0.3), 400)[:, 3]
    assert -0.3 <= turns.min() < -0.25 and 0.25 < turns.max() <= 0.3
    images = IMAGES.clone()
    images[0], images[1, 1], images[2, 2] = 0.5, images[1, 0], images[2, 0]  # gray, and two equal channels
    found = image_steps.turn_hue(images, turns[:24])
    for image, turn, own in zip(images, turns.tolist(), found, strict=False):
        torch.testing.assert_close(own, tv.adjust_hue(image, turn), rtol=0, atol=1e-5)
    assert torch.equal(image_steps.turn_hue(images[:, :1], turns[:24]), images[:, :1])
    step = Jitter(0, 0, 0, hue=0.5)
    changed, _ = augment.apply(IMAGES, LABELS, (step,), Draws((drawn(step),)), MEAN)
    assert (changed - IMAGES).abs().max() > 0.1


def expected(name: str, image: Tensor, sign: int, magnitude: int) -> Tensor:
    """An operation of torchvision's RandAugment, by its own code."""
    reference = v2.RandAugment(interpolation=InterpolationMode.BILINEAR)
    own = "".join(word.capitalize() for word in name.split("_"))
    own = "AutoContrast" if name == "autocontrast" else own
    strengths, signed = reference._AUGMENTATION_SPACE[own]
    all_of_them = strengths(31, *image.shape[1:])
    strength = 0.0 if all_of_them is None else float(all_of_them[magnitude]) * (sign if signed else 1)
    found: Tensor = reference._apply_image_or_video_transform(
        image, own, strength, reference.interpolation, reference._fill
    )
    return found


@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize("name", rand_augment.OPERATIONS)
def test_operations_of_rand_augment_are_torchvisions(name: str, magnitude: int) -> None:
    kinds = torch.full((24,), rand_augment.OPERATIONS.index(name))
    signs = torch.tensor([-1, 1] * 12)
    draws = torch.stack((kinds, signs), 1)[:, :, None]
    images = IMAGES * 0.7
    found = rand_augment.apply(images, RandAugment(1, magnitude), draws, BLACK)
    for image, sign, own in zip(images, signs.tolist(), found, strict=True):
        torch.testing.assert_close(own, expected(name, image, sign, magnitude), rtol=0, atol=1e-5)


def test_rand_augment_draws_operations_for_each_image() -> None:
    step = RandAugment(3, 20)
    draws = drawn(step, 700)
    assert draws.shape == (700, 2, 3)
    assert draws[:, 0].flatten().bincount().min() > 100 and draws[:, 1].unique().tolist() == [-1, 1]
    mixed = rand_augment.apply(IMAGES, step, draws[:24], MEAN)
    alone = torch.cat(
        [rand_augment.apply(IMAGES[i : i + 1], step, draws[i : i + 1], MEAN) for i in range(24)]
    )
    torch.testing.assert_close(mixed, alone)
    gray = rand_augment.apply(IMAGES[:, :1], step, draws[:24], MEAN[:1])
    assert gray.shape == (24, 1, 10, 12) and gray.min() >= 0 and gray.max() <= 1


def test_an_image_has_one_of_mixup_and_cutmix() -> None:
    mixed, cut = augment.draw((MixUp(1.0), CutMix()), 200, (10, 12), 0, 0).steps
    alone = (mixed[:, 0] == 1) ^ (cut[:, 0] == 1)
    assert alone.all() and 70 < (cut[:, 0] == 1).sum() < 130


@pytest.mark.parametrize("whole", [1, 2, 7, 16, 33, 100])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 8])
def test_processes_mix_the_pairs_of_one(whole: int, processes: int) -> None:
    rows = torch.arange(whole)
    distance = image_steps.partner_distance(whole, 1)
    alone = image_steps.partners(rows, distance)
    assert alone.unique().tolist() == rows.tolist()
    if whole >= 4:
        assert distance <= whole / 4 < 2 * distance and not (alone == rows).any()
    for rank in range(min(processes, whole)):
        own = Processes(rank, processes).share(rows)
        found = image_steps.partners(own, image_steps.partner_distance(whole, processes))
        assert set(found.tolist()) == set(own.tolist())
        if distance % processes == 0:
            assert found.tolist() == alone[own].tolist()


def test_vertical_flips() -> None:
    draws = augment.draw((Flip(vertical=True),), 24, (10, 12), 0, 0)
    images, _ = augment.apply(IMAGES, LABELS, (Flip(vertical=True),), draws, MEAN)
    for image, mirrored, own in zip(IMAGES, draws.steps[0], images, strict=True):
        assert torch.equal(own, tv.vertical_flip(image) if mirrored else image)


STEPS: tuple[Augmentation, ...] = (
    Rotate(), ResizeCrop(), Erase(), Jitter(hue=0.1), RandAugment(), MixUp(), CutMix()
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_draws_are_a_function_of_seed_and_epoch(step: Augmentation) -> None:
    torch.rand(3)
    first, again, other = drawn(step), drawn(step), drawn(step, epoch=1)
    assert torch.equal(first, again) and not torch.equal(first, other)
