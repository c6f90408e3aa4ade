"""Boxes with scores: what is left of a detector's candidates, and how good it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# The score from which boxes are shown, and count in confusion matrices.
SURE = 0.3
# The most boxes of an image, as COCO counts them.
MOST = 100
# The most candidates that are compared with each other, by score, as torchvision's detectors have it.
_CANDIDATES = 1000


class Detections(NamedTuple):
    """The boxes found in an image, the surest first: (n, 4) in pixels, scores and classes (n,)."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    def cpu(self) -> Detections:
        return Detections(self.boxes.cpu(), self.scores.cpu(), self.classes.cpu())


def keep_best(
    boxes: Tensor, scores: Tensor, size: tuple[int, int], least: float, overlap: float, most: int = MOST
) -> list[Detections]:
    """The detections of each image, from candidates (N, L, 4) with scores by class (N, L, C).

    Boxes are clipped to the image's `size` (height, width). Scores below `least` are dropped, and of boxes
    of one class that overlap by an IoU above `overlap` all but the surest (non-maximum suppression).
    """
    from torchvision.ops import batched_nms, clip_boxes_to_image  # late: slow to import

    found = []
    for own, rated in zip(clip_boxes_to_image(boxes, size), scores, strict=True):
        place, kind = (rated >= least).nonzero(as_tuple=True)
        values = rated[place, kind]
        values, first = values.sort(descending=True, stable=True)
        first, values = first[:_CANDIDATES], values[:_CANDIDATES]
        place, kind = place[first], kind[first]
        kept = batched_nms(own[place], values, kind, overlap)[:most]
        found.append(Detections(own[place[kept]], values[kept], kind[kept]))
    return found


def centres(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The centres of a map's positions in its own units, (h, w, 2): x, y."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5, indexing="ij"
    )
    return torch.stack((x, y), 2)


def without_padding(boxes: Tensor) -> Tensor:
    """The boxes of one image, (M, 5), without the rows that pad it."""
    return boxes[boxes[:, 4] >= 0]


def stacked(boxes: list[Tensor]) -> Tensor:
    """The boxes of several images, (m, 5) each, padded with -1: (N, M, 5)."""
    most = max((len(own) for own in boxes), default=0)
    out = torch.full((len(boxes), most, 5), -1.0)
    for row, own in zip(out, boxes, strict=True):
        row[: len(own)] = own
    return out
