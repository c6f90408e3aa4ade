"""Targets, losses and boxes of FCOS: numbers of the paper's equations, and a direct computation."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision

from netdsl.runtime.detection.fcos import Fcos, centerness, giou_loss, locations, targets

STRIDES = (8, 16, 32)


def test_centerness() -> None:
    def at(x: float, y: float, box: list[float]) -> float:
        left, top, right, bottom = box
        return float(centerness(torch.tensor([x - left, y - top, right - x, bottom - y])))

    assert at(30, 40, [10, 15, 100, 115]) == pytest.approx(0.308607, abs=1e-6)
    assert at(32, 29, [30, 20, 40, 30]) == pytest.approx(0.166667, abs=1e-6)


def test_distances_are_in_strides() -> None:
    found = targets(torch.tensor([[[1.0, 2, 40, 50, 0]]]), [torch.tensor([[32.0, 32]])], [32])
    assert found.distances[0, 0].tolist() == [0.96875, 0.9375, 0.25, 0.5625]


def test_locations_are_centres() -> None:
    assert locations(2, 3, 8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


@pytest.mark.parametrize("seed", range(3))
def test_targets_equal_a_direct_computation(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(3, 6, 2, generator=generator) * 150
    sizes = 4 + torch.rand(3, 6, 2, generator=generator) ** 2 * 300
    kinds = torch.randint(-1, 5, (3, 6, 1), generator=generator).float()
    boxes = torch.cat((corners, corners + sizes, kinds), 2)
    boxes[kinds[..., 0] < 0] = -1
    points = [locations(192 // stride, 256 // stride, stride) for stride in STRIDES]
    found = targets(boxes, points, STRIDES)
    place = 0
    for level, stride in enumerate(STRIDES):
        near, far = [(0.0, 64.0), (64.0, 128.0), (128.0, math.inf)][level]
        for x, y in points[level].tolist():
            for n in range(3):
                fitting = []
                for left, top, right, bottom, kind in boxes[n].tolist():
                    distances = [x - left, y - top, right - x, bottom - y]
                    if kind >= 0 and min(distances) > 0 and near < max(distances) <= far:
                        area = (right - left) * (bottom - top)
                        fitting.append((area, kind, [d / stride for d in distances]))
                _, kind, expected = min(fitting, default=(0, -1, []))
                assert found.classes[n, place] == kind
                if fitting:
                    assert found.distances[n, place].tolist() == pytest.approx(expected, rel=1e-5)
            place += 1
    assert (found.classes >= 0).any()


def heads(classes: int, fill: float) -> list[torch.Tensor]:
    return [torch.full((2, classes + 5, 192 // s, 256 // s), float(fill)) for s in STRIDES]


BOXES = torch.tensor([[[20.0, 30, 50, 70, 1], [10, 10, 200, 180, 0]], [[100, 50, 190, 140, 2], [-1.0] * 5]])
HEAD = Fcos(classes=3, strides=STRIDES)


def test_targets_that_are_predicted_give_the_boxes_back() -> None:
    outputs = heads(3, -30)
    points = [locations(192 // stride, 256 // stride, stride) for stride in STRIDES]
    wanted = targets(BOXES, points, STRIDES)
    start = 0
    for output, own in zip(outputs, points, strict=True):
        flat = output.flatten(2)
        for n, place in (wanted.classes[:, start : start + len(own)] >= 0).nonzero().tolist():
            flat[n, int(wanted.classes[n, start + place]), place] = 30
            flat[n, 3:7, place] = wanted.distances[n, start + place].log()
            middle = wanted.centerness[n, start + place].clamp(1e-6, 1 - 1e-6)
            flat[n, 7, place] = (middle / (1 - middle)).log()
        start += len(own)
    kind, box, _ = HEAD.loss(outputs, BOXES).tolist()
    assert kind == pytest.approx(0, abs=1e-6) and box == pytest.approx(0, abs=1e-5)
    boxes, scores = HEAD.candidates(outputs)
    for n, place in (wanted.classes >= 0).nonzero().tolist():
        sure = int(scores[n, place].argmax())
        assert sure == int(wanted.classes[n, place])
        nearest = (BOXES[n, :, :4] - boxes[n, place]).abs().amax(1).min()
        assert float(nearest) < 1e-2


def test_focal_loss_of_known_scores() -> None:
    scores = [[-0.0139, -0.7245, -0.5730, -1.7872, 1.5967], [-0.9421, -0.2319, -0.7095, -0.0868, -0.2936]]
    from torchvision.ops import sigmoid_focal_loss

    wanted = torch.zeros(2, 5)
    wanted[0, 2] = 1
    total = sigmoid_focal_loss(torch.tensor(scores), wanted, alpha=0.25, gamma=2, reduction="sum")
    assert float(total) == pytest.approx(1.514438, abs=1e-6)


def test_generalised_iou_is_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    found, wanted = torch.rand(2, 50, 4, generator=generator, dtype=torch.float64)
    found.requires_grad_()
    signs = torch.tensor([-1, -1, 1, 1])
    expected = torchvision.ops.generalized_box_iou_loss(found * signs, wanted * signs)
    torch.testing.assert_close(giou_loss(found, wanted), expected)
    ours, theirs = (torch.autograd.grad(own.sum(), found)[0] for own in (giou_loss(found, wanted), expected))
    torch.testing.assert_close(ours, theirs)


def test_the_loss_equals_its_parts() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = [torch.randn(output.shape, generator=generator) for output in heads(3, 0)]
    points = [locations(192 // stride, 256 // stride, stride) for stride in STRIDES]
    wanted = targets(BOXES, points, STRIDES)
    scores, distances, centre = HEAD.split(outputs)
    focal = overlap = near = 0.0
    positives = 0
    for n in range(2):
        for place, kind in enumerate(wanted.classes[n].tolist()):
            for c, score in enumerate(scores[n, place].double().tolist()):
                p = 1 / (1 + math.exp(-score))
                right = p if c == kind else 1 - p
                focal -= (0.25 if c == kind else 0.75) * (1 - right) ** 2 * math.log(right)
            if kind < 0:
                continue
            positives += 1
            mine, goal = (t[n, place].double().tolist() for t in (distances, wanted.distances))
            sides = [min(a, b) for a, b in zip(mine, goal, strict=True)]
            hull = [max(a, b) for a, b in zip(mine, goal, strict=True)]
            both = (sides[0] + sides[2]) * (sides[1] + sides[3])
            areas = [(box[0] + box[2]) * (box[1] + box[3]) for box in (mine, goal)]
            union = sum(areas) - both
            whole = (hull[0] + hull[2]) * (hull[1] + hull[3])
            overlap += 1 - both / union + (whole - union) / whole
            q = 1 / (1 + math.exp(-float(centre[n, place])))
            t = float(wanted.centerness[n, place])
            near -= t * math.log(q) + (1 - t) * math.log(1 - q)
    expected = [focal / positives, overlap / positives, near / positives]
    assert HEAD.loss(outputs, BOXES).tolist() == pytest.approx(expected, rel=1e-4)


def test_images_without_boxes() -> None:
    for boxes in (torch.full((2, 3, 5), -1.0), torch.zeros(2, 0, 5)):
        outputs = [output.requires_grad_() for output in heads(3, -4)]
        losses = HEAD.loss(outputs, boxes)
        assert losses[1:].tolist() == [0, 0] and losses[0] > 0
        losses.sum().backward()
        assert all(output.grad is not None and bool(output.grad.isfinite().all()) for output in outputs)
