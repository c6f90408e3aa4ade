"""Targets, losses and boxes of YOLO: the numbers of the course's page, and a direct computation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from netdsl.runtime.detection.boxes import centres, stacked
from netdsl.runtime.detection.yolo import Yolo, match

# The anchors of the course in cells of a 7x7 map: width, height.
ANCHORS = torch.tensor([[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [2, 3], [3, 2], [3, 5], [5, 3]]).float()
# Three images of the course, in cells: the second has two boxes.
BOXES = stacked(
    [
        torch.tensor([[2.184, 2.039039, 4.914, 5.675675, 0]]),
        torch.tensor([[1.358, 0.299465, 5.348, 5.446524, 1], [0.014, 4.211229, 6.174, 6.981283, 2]]),
        torch.tensor([[2.688, 2.650666, 4.62, 3.490667, 3]]),
    ]
)


def test_anchors_of_the_course_that_are_activated() -> None:
    found = match(BOXES, ANCHORS, 7, 7)
    assert found.real.tolist() == [[True, False], [True, True], [True, False]]
    assert found.index[found.real].tolist() == [122, 605, 871, 955]
    assert found.iou[found.real].tolist() == pytest.approx([0.745387, 0.727934, 0.760450, 0.371167], abs=2e-6)
    expected = [
        [0.049, 0.357357, -0.094311, 0.192447],
        [-0.147, 0.372994, -0.002503, 0.252131],
        [-0.406, 0.096256, 0.208639, -0.079746],
        [0.154, -0.429333, -0.034591, -0.867500],
    ]
    assert torch.allclose(found.offsets[found.real], torch.tensor(expected), atol=2e-6)


# A box in an image of 500x333.
SIZE, BOX = torch.tensor([500.0, 333]), torch.tensor([[156.0, 97, 351, 270]])


def test_overlaps_of_one_cell() -> None:
    from torchvision.ops import box_iou

    box = BOX * (7 / SIZE).repeat(2)
    assert torch.allclose(box, BOXES[0, :1, :4])
    centre = centres(7, 7)[24 // 7, 24 % 7]
    assert (centre * torch.tensor([500 / 7, 333 / 7])).tolist() == pytest.approx([250, 166.5])
    own = torch.cat((centre - ANCHORS / 2, centre + ANCHORS / 2), 1)
    expected = [0.1007, 0.4029, 0.7454, 0.5733, 0.3971, 0.5918, 0.5216, 0.6619, 0.4799]
    assert box_iou(own, box)[:, 0].tolist() == pytest.approx(expected, abs=5e-5)


def test_the_nearest_cell_by_its_distance() -> None:
    middle = (BOX[:, :2] + BOX[:, 2:]) / 2
    assert middle[0].tolist() == [253.5, 183.5]
    distances = (centres(7, 7) * SIZE / 7 - middle).abs().sum(2).flatten()
    assert int(distances.argmin()) == 24 and float(distances[24]) == pytest.approx(20.5)
    # That of the cell below.
    assert float(distances[31]) == pytest.approx(34.0714, abs=1e-4)


def test_overlaps_of_two_pairs() -> None:
    from torchvision.ops import box_iou

    one, other = torch.tensor([[5.0, 5, 15, 15], [27, 27, 37, 37]]), torch.tensor(
        [[1.0, 1, 11, 11], [20, 20, 30, 30]]
    )
    assert box_iou(one, other).diag().tolist() == pytest.approx([0.219512, 0.0471204], abs=1e-6)


def test_both_layouts_of_the_confidences_have_the_same_places() -> None:
    """The first channels of all, as in the course's code, or the first of each anchor's five, as here."""
    places = [122, 605, 871, 955]
    confidences = torch.full((3, 9, 7, 7), -20.0)
    confidences.view(-1)[places] = 20
    first = torch.cat((confidences, torch.zeros(3, 36 + 20, 7, 7)), 1)
    major = torch.zeros(3, 65, 7, 7)
    major[:, :45].unflatten(1, (9, 5))[:, :, 0] = confidences
    assert first[:, :9].flatten().topk(4).indices.sort().values.tolist() == places
    _, scores = HEAD.candidates([major])
    assert scores.amax(2).flatten().topk(4).indices.sort().values.tolist() == places


def direct(boxes: Tensor, anchors: Tensor, height: int, width: int) -> tuple[list[int], Tensor]:
    """The activated anchors and the negative ones, anchor by anchor and box by box, in float64."""

    def overlap(one: list[float], other: list[float]) -> float:
        wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
        high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
        both = wide * high
        sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
        return both / (sum(sizes) - both)

    activated = []
    negative = torch.ones(len(boxes), len(anchors), height, width, dtype=torch.bool)
    for n, own in enumerate(boxes.double().tolist()):
        for box in (box for box in own if box[4] >= 0):
            middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            cells = [(row, column) for row in range(height) for column in range(width)]
            row, column = min(
                cells, key=lambda cell: abs(middle[0] - cell[1] - 0.5) + abs(middle[1] - cell[0] - 0.5)
            )
            here = []
            for a, (w, h) in enumerate(anchors.double().tolist()):
                for r, c in cells:
                    anchor = [c + 0.5 - w / 2, r + 0.5 - h / 2, c + 0.5 + w / 2, r + 0.5 + h / 2]
                    share = overlap(anchor, box)
                    if share >= 0.2:
                        negative[n, a, r, c] = False
                    if (r, c) == (row, column):
                        here.append(share)
            best = here.index(max(here))
            activated.append(((n * len(anchors) + best) * height + row) * width + column)
    return activated, negative


@pytest.mark.parametrize("seed", range(5))
def test_matches_equal_a_direct_computation(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(4, 3, 2, generator=generator) * torch.tensor([5.0, 3.0])
    sizes = 0.3 + torch.rand(4, 3, 2, generator=generator) * 3
    kinds = torch.randint(-1, 4, (4, 3, 1), generator=generator).float()
    boxes = torch.cat((corners, corners + sizes, kinds), 2)
    boxes[kinds[..., 0] < 0] = -1
    found = match(boxes, ANCHORS, 5, 7)
    activated, negative = direct(boxes, ANCHORS, 5, 7)
    assert found.index[found.real].tolist() == activated
    assert torch.equal(found.negative, negative)


def test_a_box_on_the_edge_of_cells_belongs_to_the_first() -> None:
    box = torch.tensor([[[1.5, 2.5, 2.5, 3.5, 0]]])  # Its centre is the corner of four cells.
    assert match(box, ANCHORS[:1], 7, 7).index.tolist() == [[2 * 7 + 1]]


HEAD = Yolo(anchors=tuple((int(h * 32), int(w * 32)) for w, h in ANCHORS.tolist()), classes=20, stride=32)


def test_targets_that_are_predicted_give_the_boxes_back() -> None:
    boxes = torch.cat((BOXES[..., :4] * 32, BOXES[..., 4:]), 2).where(BOXES[..., 4:] >= 0, torch.tensor(-1.0))
    found = match(BOXES, ANCHORS, 7, 7)
    output = torch.full((3, 9 * 5 + 20, 7, 7), -20.0)
    heads = output[:, :45].unflatten(1, (9, 5))
    for n, m in found.real.nonzero().tolist():
        place = int(found.index[n, m]) - n * 9 * 49
        a, row, column = place // 49, place // 7 % 7, place % 7
        heads[n, a, 0, row, column] = 20
        shift = found.offsets[n, m, :2] + 0.5
        heads[n, a, 1:3, row, column] = (shift / (1 - shift)).log()
        heads[n, a, 3:, row, column] = found.offsets[n, m, 2:]
        output[n, 45 + int(boxes[n, m, 4]), row, column] = 20
    losses = HEAD.ordered_loss(output, boxes, torch.rand(3, 9, 7, 7))
    assert losses.tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    decoded, scores = HEAD.candidates([output])
    assert decoded.shape == (3, 441, 4) and scores.shape == (3, 441, 20)
    sure = (scores > 0.5).nonzero()
    assert len(sure) == 4
    back = torch.cat((decoded[sure[:, 0], sure[:, 1]], sure[:, 2:].float()), 1)
    wanted = boxes[found.real]
    assert torch.allclose(back[back[:, 4].argsort()], wanted[wanted[:, 4].argsort()], atol=1e-3)


def test_loss_of_confidences_has_as_many_negatives_as_positives() -> None:
    boxes = torch.cat((BOXES[..., :4] * 32, BOXES[..., 4:]), 2).where(BOXES[..., 4:] >= 0, torch.tensor(-1.0))
    output = torch.zeros(3, 65, 7, 7)  # All confidences are 1/2, all offsets 0, all classes equally likely.
    confidence, box, kind = HEAD.ordered_loss(output, boxes, torch.rand(3, 9, 7, 7)).tolist()
    assert confidence == pytest.approx(0.25)
    expected = float(match(BOXES, ANCHORS, 7, 7).offsets[BOXES[..., 4] >= 0].square().sum() / 4)
    assert box == pytest.approx(expected)
    assert kind == pytest.approx(math.log(20))


def test_the_class_loss_is_averaged_by_image() -> None:
    boxes = torch.cat((BOXES[..., :4] * 32, BOXES[..., 4:]), 2).where(BOXES[..., 4:] >= 0, torch.tensor(-1.0))
    output = torch.randn(3, 65, 7, 7, generator=torch.Generator().manual_seed(0))
    found = match(BOXES, ANCHORS, 7, 7)
    by_image = []
    for n in range(3):
        losses = []
        for m in found.real[n].nonzero().flatten().tolist():
            place = int(found.index[n, m]) % 49
            scores = output[n, 45:, place // 7, place % 7].double()
            losses.append(float(-scores.log_softmax(0)[int(boxes[n, m, 4])]))
        by_image.append(sum(losses) / len(losses))
    assert HEAD.ordered_loss(output, boxes, torch.rand(3, 9, 7, 7))[2].item() == pytest.approx(
        sum(by_image) / 3, abs=1e-5
    )


def test_an_image_without_boxes_has_a_loss_of_zero() -> None:
    for boxes in (torch.full((2, 3, 5), -1.0), torch.zeros(2, 0, 5)):
        output = torch.randn(2, 65, 7, 7, requires_grad=True)
        losses = HEAD.ordered_loss(output, boxes, torch.rand(2, 9, 7, 7))
        assert losses.tolist() == [0, 0, 0]
        losses.sum().backward()
        assert output.grad is not None and bool(output.grad.isfinite().all())


def test_gradients_of_the_loss() -> None:
    boxes = torch.cat((BOXES[..., :4] * 32, BOXES[..., 4:]), 2).where(BOXES[..., 4:] >= 0, torch.tensor(-1.0))
    order = torch.rand(3, 9, 7, 7)
    output = torch.randn(3, 65, 7, 7, generator=torch.Generator().manual_seed(1))
    output.requires_grad_()
    HEAD.ordered_loss(output, boxes, order).sum().backward()
    assert output.grad is not None
    largest = output.grad.abs().flatten().topk(20).indices.tolist()
    for place in largest:
        difference = 0.0
        for sign in (1, -1):
            moved = output.detach().clone()
            moved.view(-1)[place] += sign * 1e-2
            difference += sign * float(HEAD.ordered_loss(moved, boxes, order).double().sum())
        assert difference / 2e-2 == pytest.approx(float(output.grad.view(-1)[place]), rel=2e-2, abs=1e-4)


def test_matching_of_faster_r_cnn() -> None:
    """The anchors that a region proposal network would match (Ren et al. 2015, section 3.1.2)."""
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    grid, half = centres(7, 7), ANCHORS[:, None, None] / 2
    every = torch.cat((grid - half, grid + half), 3).view(-1, 4)
    matched = []
    for n, boxes in enumerate(BOXES):
        overlaps = box_iou(boxes[boxes[:, 4] >= 0, :4], every)
        best = Matcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps)
        matched += [n * len(every) + i for i in (best >= 0).nonzero().flatten().tolist()]
    assert matched == [122, 605, 612, 654, 870, 871, 948, 955]
