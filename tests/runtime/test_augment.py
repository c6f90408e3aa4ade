from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.language.recipe import Augmentation, Crop, Cutout, Flip
from netdsl.runtime.augment import Draws, draw
from netdsl.runtime.augment import apply as apply_to_both
from netdsl.runtime.errors import RunError

Steps = tuple[Flip | Crop | Cutout, ...]
STEPS: Steps = (Flip(), Flip(alternating=True), Crop(2, "reflect"), Cutout(4), Cutout(2))
MEAN = torch.tensor([0.25, 0.5, 0.75])


def apply(
    images: torch.Tensor, steps: tuple[Augmentation, ...], draws: Draws, mean: torch.Tensor
) -> torch.Tensor:
    labels = torch.arange(len(images))
    augmented, same = apply_to_both(images, labels, steps, draws, mean)
    assert same is labels
    return augmented


def augmented(images: Tensor, steps: Steps, epoch: int = 0, seed: int = 0) -> Tensor:
    draws = draw(steps, len(images), (images.shape[2], images.shape[3]), epoch, seed)
    return apply(images, steps, draws, MEAN[: images.shape[1]])


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    def drawn(epoch: int, seed: int, steps: Steps = STEPS) -> list[Tensor]:
        torch.rand(7)  # The global generator has no part in it.
        return list(draw(steps, 100, (8, 6), epoch, seed).steps)

    def same(a: list[Tensor], b: list[Tensor]) -> list[bool]:
        return [torch.equal(x, y) for x, y in zip(a, b, strict=True)]

    assert same(drawn(3, 1), drawn(3, 1)) == [True] * 5
    assert same(drawn(3, 1), drawn(4, 1)) == [False] * 5
    assert same(drawn(3, 1), drawn(3, 2)) == [False] * 5
    assert same(drawn(1, 0), drawn(0, 1)) == [False] * 5
    # The alternating flip of every second epoch is the same.
    assert same(drawn(3, 1), drawn(5, 1)) == [False, True, False, False, False]
    # Two steps of one kind draw each their own.
    two = drawn(0, 0, (Cutout(2), Cutout(2)))
    assert not torch.equal(two[0], two[1])


def test_rows_of_draws_belong_to_images() -> None:
    images = torch.rand(50, 3, 8, 6)
    draws = draw(STEPS, 50, (8, 6), 0, 0)
    whole = apply(images, STEPS, draws, MEAN)
    index = torch.randperm(50)[:20]
    for some in (index, slice(5, 25)):
        part = draws[some]
        assert isinstance(part, Draws)
        assert torch.equal(apply(images[some], STEPS, part.to(torch.device("cpu")), MEAN), whole[some])


def test_flip_mirrors_about_half() -> None:
    images = torch.rand(200, 3, 4, 5)
    flipped = augmented(images, (Flip(),))
    same = (flipped == images).all((1, 2, 3))
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_alternating_flip_shows_both_sides_in_any_two_epochs() -> None:
    images = torch.rand(200, 3, 4, 5)
    for epoch in range(3):
        one, next_ = (augmented(images, (Flip(alternating=True),), epoch + i, seed=7) for i in range(2))
        assert torch.equal(next_, one.flip(3))
        mirrored = (one == images.flip(3)).all((1, 2, 3))
        assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_crop_takes_windows_of_the_padded_image(mode: str) -> None:
    images = torch.rand(300, 2, 4, 5)
    step = Crop(2, mode)  # type: ignore[arg-type]
    draws = draw((step,), 300, (4, 5), 0, 0)
    padded = F.pad(images, (2,) * 4, mode="constant" if mode == "zeros" else mode)
    corners = draws.steps[0].tolist()
    expected = [image[:, y : y + 4, x : x + 5] for image, (y, x) in zip(padded, corners, strict=True)]
    assert torch.equal(apply(images, (step,), draws, MEAN[:2]), torch.stack(expected))
    assert {tuple(corner) for corner in corners} == {(y, x) for y in range(5) for x in range(5)}


def test_reflection_needs_an_image_larger_than_the_padding() -> None:
    assert augmented(torch.rand(2, 3, 5, 8), (Crop(4, "reflect"),)).shape == (2, 3, 5, 8)
    with pytest.raises(RunError, match=r"crop\(5, padding_mode=reflect\) .* image of 5x8") as raised:
        draw((Flip(), Crop(5, "reflect")), 2, (5, 8), 0, 0)
    assert raised.value.help == "pad by 4 at most, or write `padding_mode=zeros`"
    assert augmented(torch.rand(2, 3, 5, 8), (Crop(5),)).shape == (2, 3, 5, 8)


def test_cutout_sets_one_square_to_the_mean() -> None:
    cut = augmented(torch.ones(500, 2, 8, 6), (Cutout(3),))
    changed = cut != 1
    assert (cut[:, 0][changed[:, 0]] == 0.25).all()
    assert (cut[:, 1][changed[:, 1]] == 0.5).all()
    assert (changed[:, 0] == changed[:, 1]).all()
    areas = changed[:, 0].sum((1, 2))
    # Whole in the middle, clipped at the edges, and 2x2 at least: the middle pixel is inside.
    assert areas.max() == 9
    assert areas.min() == 4


def test_steps_run_in_order_and_keep_the_layout() -> None:
    images = torch.rand(16, 3, 8, 6).to(memory_format=torch.channels_last)
    draws = draw(STEPS, 16, (8, 6), 0, 0)
    expected = images
    for i, step in enumerate(STEPS):
        expected = apply(expected, (step,), Draws(draws.steps[i : i + 1]), MEAN)
    found = apply(images, STEPS, draws, MEAN)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(apply(images, (), Draws(()), MEAN), images)
