"""Flips and zooms move boxes with what they contain."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from netdsl.runtime.detection.augment_boxes import draw_zoom, flip, zoom

HEIGHT, WIDTH = 24, 32
BLACK = torch.zeros(3)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Black images with a white rectangle each, of whole pixels; a row of padding comes first."""
    images, boxes = torch.zeros(2, 3, HEIGHT, WIDTH), torch.full((2, 2, 5), -1.0)
    for image, own in zip(images, boxes, strict=True):
        left, top = draw(st.integers(0, WIDTH - 6)), draw(st.integers(0, HEIGHT - 6))
        right, bottom = draw(st.integers(left + 4, WIDTH)), draw(st.integers(top + 4, HEIGHT))
        image[:, top:bottom, left:right] = 1
        own[1] = torch.tensor([left, top, right, bottom, 3])
    return images, boxes


def filled(image: Tensor) -> list[int]:
    """Left, top, right and bottom of what is at least half white."""
    rows, columns = (image[0] > 0.5).nonzero().T
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


@given(batches(), st.lists(st.booleans(), min_size=2, max_size=2))
def test_flip(batch: tuple[Tensor, Tensor], which: list[bool]) -> None:
    images, boxes = batch
    drawn = torch.tensor(which)
    flipped, moved = flip(images, boxes, drawn)
    for image, box in zip(flipped, moved, strict=True):
        assert box[0].tolist() == [-1] * 5
        assert box[1].tolist() == [*filled(image), 3]
    again, back = flip(flipped, moved, drawn)
    assert torch.equal(again, images) and torch.equal(back, boxes)
    assert torch.equal(flipped[~drawn], images[~drawn])


@given(batches(), st.floats(0.5, 2), st.floats(0, 1), st.floats(0, 1))
def test_zoomed_boxes_contain_what_they_contained(
    batch: tuple[Tensor, Tensor], factor: float, x: float, y: float
) -> None:
    images, boxes = batch
    zoomed, moved = zoom(images, boxes, torch.tensor([[factor, x, y]]).expand(2, 3), BLACK)
    for image, box, before in zip(zoomed, moved, boxes, strict=True):
        assert box[0].tolist() == [-1] * 5
        left, top, right, bottom, kind = box[1].tolist()
        if kind < 0:  # at most a quarter is left
            assert (image[0] > 0.5).sum() <= 0.3 * factor**2 * area(before[1]) + WIDTH
            continue
        assert kind == 3 and 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
        assert area(box[1]) >= 0.25 * factor**2 * area(before[1]) - 1e-3
        if right - left > 2 and bottom - top > 2:
            assert filled(image) == pytest.approx([left, top, right, bottom], abs=1)


def area(box: Tensor) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def test_a_factor_of_one_changes_nothing() -> None:
    images, boxes = torch.rand(4, 3, HEIGHT, WIDTH), torch.tensor([[[1.0, 2, 9, 17, 0]]]).expand(4, 1, 5)
    zoomed, moved = zoom(images, boxes, torch.tensor([[1, 0.3, 0.9]]).expand(4, 3), torch.ones(3))
    assert torch.allclose(zoomed, images, atol=1e-5) and torch.equal(moved, boxes)


def test_smaller_images_lie_on_the_mean() -> None:
    images, boxes = torch.ones(1, 3, HEIGHT, WIDTH), torch.tensor([[[0.0, 0, WIDTH, HEIGHT, 0]]])
    zoomed, moved = zoom(images, boxes, torch.tensor([[0.5, 1.0, 0.0]]), torch.tensor([0.1, 0.2, 0.3]))
    assert moved.tolist() == [[[16, 0, 32, 12, 0]]]
    assert zoomed[0, :, 20, 3].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert zoomed[0, :, 5, 25].tolist() == pytest.approx([1, 1, 1])


def test_boxes_that_lose_three_quarters_are_lost() -> None:
    # Twice as large, from the lower right: x - 32, y - 24.
    boxes = torch.tensor([[[12.0, 12, 20, 24, 0], [12, 12, 17, 24, 1], [0, 0, 8, 8, 2], [-1] * 5]])
    _, moved = zoom(torch.zeros(1, 3, HEIGHT, WIDTH), boxes, torch.tensor([[2.0, 1.0, 1.0]]), BLACK)
    assert moved[0].tolist() == [[0, 0, 8, 24, 0], [-1] * 5, [-1] * 5, [-1] * 5]


def test_draws_are_those_of_the_generator() -> None:
    first, second = (draw_zoom(1000, 0.8, 1.25, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first[:, 0].min() >= 0.8 - 1e-6 and first[:, 0].max() <= 1.25 + 1e-6
    assert float(first[:, 0].log().mean()) == pytest.approx(0, abs=0.02)
    assert float(first[:, 1:].mean()) == pytest.approx(0.5, abs=0.02)


def test_images_without_boxes() -> None:
    images, none = torch.rand(2, 3, HEIGHT, WIDTH), torch.zeros(2, 0, 5)
    assert flip(images, none, torch.tensor([True, False]))[1].shape == (2, 0, 5)
    assert zoom(images, none, torch.tensor([[0.9, 0.5, 0.5]] * 2), BLACK)[1].shape == (2, 0, 5)
