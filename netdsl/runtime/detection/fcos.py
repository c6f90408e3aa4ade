"""FCOS: a fully convolutional detector without anchors (Tian et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.detection.boxes import centres

# A level's boxes are those whose largest distance from a location is at most 8 strides, and which are too
# large for the level before: 64, 128 for the strides 8, 16, 32 (section 3.2).
_REACH = 8.0
# torchvision's, for boxes of no size.
_EPS = 1e-7


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of the locations of all levels.

    `classes`, (N, L), is the class, -1 where there is no box; elsewhere `distances`, (N, L, 4), to left, top,
    right and bottom of the box in strides, and `centerness`, (N, L), are meant.
    """

    classes: Tensor
    distances: Tensor
    centerness: Tensor


def locations(height: int, width: int, stride: int, device: torch.device | None = None) -> Tensor:
    """The centres of a level's positions in pixels, (h * w, 2): x, y."""
    return centres(height, width, device).view(-1, 2) * stride


def _by_location(values: Sequence[float], points: Sequence[Tensor]) -> Tensor:
    """A value of each level, at its locations, (L,)."""
    return torch.cat(
        [own.new_full((len(own),), float(value)) for own, value in zip(points, values, strict=True)]
    )


def centerness(distances: Tensor) -> Tensor:
    """The nearness of a location to the centre of a box, 0 to 1, from its distances (..., 4) (equation 3)."""
    left, top, right, bottom = distances.unbind(-1)
    wide = torch.minimum(left, right) / torch.maximum(left, right)
    high = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    return (wide * high).clamp(min=0).sqrt()


def giou_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - the generalised IoU (Rezatofighi et al. 2019) of boxes around one location, (...), from their
    distances (..., 4).

    torchvision's, which it equals, takes pairs that overlap by a mask, for which a GPU waits.
    """
    every = (found, wanted, torch.minimum(found, wanted), torch.maximum(found, wanted))
    one, other, both, hull = ((own[..., :2] + own[..., 2:]).prod(-1) for own in every)
    union = one + other - both
    return 1 - both / (union + _EPS) + (hull - union) / (hull + _EPS)


def targets(boxes: Tensor, points: Sequence[Tensor], strides: Sequence[int]) -> Targets:
    """The targets of each level's `points`, (l, 2), for boxes (N, M, 5) in pixels.

    A location belongs to a box if it is inside, and the box is of the level's size; of several boxes to the
    smallest one.
    """
    every = torch.cat(list(points))
    stride = _by_location(strides, points)
    ends = [_REACH * s for s in strides[:-1]]
    near, far = _by_location([0.0, *ends], points), _by_location([*ends, float("inf")], points)
    corners = boxes[:, None, :, :4]
    distances = torch.cat(
        (every[None, :, None] - corners[..., :2], corners[..., 2:] - every[None, :, None]), 3
    )
    largest = distances.amax(3)
    fits = (distances.amin(3) > 0) & (largest > near[:, None]) & (largest <= far[:, None])
    fits &= (boxes[:, :, 4] >= 0)[:, None]
    area = (boxes[:, :, 2] - boxes[:, :, 0]) * (boxes[:, :, 3] - boxes[:, :, 1])
    # A last column of nothing: an image may have no boxes.
    areas = F.pad(area[:, None].expand_as(fits).masked_fill(~fits, float("inf")), (0, 1), value=float("inf"))
    smallest, box = areas.min(2)
    padded = F.pad(distances, (0, 0, 0, 1))
    own = padded.gather(2, box[:, :, None, None].expand(-1, -1, 1, 4)).squeeze(2)
    classes = F.pad(boxes[:, :, 4], (0, 1), value=-1).gather(1, box)
    classes = classes.masked_fill(smallest.isinf(), -1).long()
    return Targets(classes, own / stride[:, None], centerness(own))


@dataclass(frozen=True, slots=True)
class Fcos:
    """The heads of several levels, each (N, C + 5, h, w).

    Channels: C class scores; the distances to left, top, right and bottom as logarithms of strides; the
    centerness.
    """

    classes: int
    strides: tuple[int, ...]
    # Weights of the loss.
    box: float = 1.0
    centerness: float = 1.0
    parts = ("class", "box", "centerness")

    def split(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores (N, L, C), distances in strides (N, L, 4) and centerness scores (N, L)."""
        flat = torch.cat([output.float().flatten(2) for output in outputs], 2).transpose(1, 2)
        scores, distances, centre = flat.split([self.classes, 4, 1], 2)
        # No distance is beyond what a half-trained network can mean: e^8 strides.
        return scores, distances.clamp(max=8).exp(), centre.squeeze(2)

    def _points(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        return [
            locations(output.shape[2], output.shape[3], stride, output.device)
            for output, stride in zip(outputs, self.strides, strict=True)
        ]

    def loss(self, outputs: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """The losses of class, box and centerness, (3,), with their weights.

        Sigmoid focal loss (Lin et al. 2017: alpha 0.25, gamma 2), generalised IoU (Rezatofighi et al. 2019)
        and binary cross entropy of the centerness, each divided by the number of locations with a box.
        `boxes` are in pixels.
        """
        from torchvision.ops import sigmoid_focal_loss  # late: slow to import

        scores, distances, centre = self.split(outputs)
        wanted = targets(boxes, self._points(outputs), self.strides)
        real = wanted.classes >= 0
        positives = real.sum().clamp(min=1)
        ones = F.one_hot(wanted.classes.clamp(min=0), self.classes) * real[..., None]
        focal = sigmoid_focal_loss(scores, ones.to(scores.dtype), alpha=0.25, gamma=2, reduction="sum")
        # Without a target both are the same box, which costs nothing.
        target = torch.where(real[..., None], wanted.distances, distances.detach())
        overlap = giou_loss(distances, target) * real
        goal = wanted.centerness.nan_to_num() * real
        near = F.binary_cross_entropy_with_logits(centre, goal, reduction="none") * real
        parts = torch.stack((focal, self.box * overlap.sum(), self.centerness * near.sum()))
        return parts / positives

    def candidates(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """All boxes in pixels, (N, L, 4), and their scores by class, (N, L, C).

        A score is the geometric mean of the probability of the class and the centerness.
        """
        scores, distances, centre = self.split(outputs)
        points = self._points(outputs)
        every = torch.cat(points)
        stride = _by_location(self.strides, points)
        away = distances * stride[:, None]
        boxes = torch.cat((every - away[..., :2], every + away[..., 2:]), 2)
        # The root of the product of two sigmoids, by logarithms: the root of a small number that is off by
        # rounding would be off by much more.
        return boxes, (-(F.softplus(-scores) + F.softplus(-centre)[..., None]) / 2).exp()
