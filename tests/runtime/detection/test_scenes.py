"""Scenes are a function of their seed, and their boxes fit the ink."""

from __future__ import annotations

import torch
from torchvision.ops import box_iou

from netdsl.runtime import digits
from netdsl.runtime.detection.boxes import without_padding
from netdsl.runtime.detection.scenes import Scenes

SCENES = Scenes("train", torch.arange(300), (1, 96, 96), seed=0)


def test_a_scene_depends_on_its_number_only() -> None:
    images, boxes = SCENES.draw(torch.arange(8))
    again, same = SCENES.draw(torch.tensor([5, 2]))
    assert torch.equal(images[[5, 2]], again) and torch.equal(boxes[[5, 2]], same)
    for other in (SCENES.at(1), Scenes("train", torch.arange(300), (1, 96, 96), seed=1)):
        assert not torch.equal(other.draw(torch.arange(8))[0], images)


def test_boxes_are_tight_and_apart() -> None:
    images, boxes = SCENES.draw(torch.arange(300))
    counts = []
    for image, own in zip(images[:, 0].float() / 255, map(without_padding, boxes), strict=True):
        counts.append(len(own))
        overlaps = box_iou(own[:, :4], own[:, :4]).fill_diagonal_(0)
        assert overlaps.max() < 0.25
        paper = image.median()
        outside = torch.ones(96, 96, dtype=torch.bool)
        for left, top, right, bottom, kind in own.int().tolist():
            assert 0 <= left < right <= 96 and 0 <= top < bottom <= 96 and 0 <= kind <= 9
            inside = image[top:bottom, left:right]
            assert inside.mean() > paper + 0.05
            outside[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3] = False
        assert (image[outside] - paper).abs().mean() < 0.05
    assert min(counts) == 1 and max(counts) == 6
    sides = (boxes[..., 2:4] - boxes[..., :2])[boxes[..., 4] >= 0].amax(1)
    assert 8 < sides.min() < 16 and 36 < sides.max() <= 46  # interpolation widens a stroke


def test_digits_of_the_test_are_never_trained_on() -> None:
    parts = {name: digits.part(name)[0] for name in ("train", "validation", "test")}
    assert sum(map(len, parts.values())) == 1797
    assert len(torch.unique(torch.cat(list(parts.values())).flatten(1), dim=0)) == 1797
