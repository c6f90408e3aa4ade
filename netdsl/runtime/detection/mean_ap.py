"""Average precision as COCO defines it, precision–recall curves, and confusion matrices of detections.

AP is the mean over 10 IoUs from 0.50 to 0.95, over 101 recalls and over classes; AP50 and AP75 are those at
one IoU. At most 100 boxes of an image count, the surest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdsl.runtime.detection.boxes import Detections, without_padding
from netdsl.runtime.extras import require_extra

# The areas of small boxes end, and those of large ones begin, in pixels: 32² and 96².
SMALL, LARGE = 32.0**2, 96.0**2
SIZES = ("small", "medium", "large")
# Places in the arrays of the library: areas are all, small, medium, large; the last number of boxes is 100.
_IOU_50, _IOU_75, _ANY_SIZE, _MOST = 0, 5, 0, -1


@dataclass(frozen=True, slots=True)
class Precisions:
    """The average precisions of detections, 0 to 1; None where no box is of a class or a size.

    `classes` and `classes50` are AP and AP50 of each class, `sizes` AP of small, medium and large boxes.
    `curves`, (K, 101), are the precisions of each class at the recalls 0, 0.01, …, 1, at an IoU of 0.5; NaN
    for a class without boxes.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    classes: tuple[float | None, ...]
    classes50: tuple[float | None, ...]
    sizes: dict[str, float | None]
    curves: Tensor


def average_precision(
    found: Sequence[Detections], boxes: Sequence[Tensor] | Tensor, classes: int
) -> Precisions:
    """The precisions of the detections in each image, compared with its boxes, (M, 5): both in pixels of the
    same image; rows of -1 are padding. Sizes are areas in these pixels.

    Raises RunError if faster-coco-eval is not installed.
    """
    library = require_extra("detection", "faster_coco_eval", "faster-coco-eval", "average precision")
    numbers = range(len(found))
    truth = library.COCO(
        {
            "images": [{"id": number} for number in numbers],
            "annotations": _annotations(boxes),
            "categories": [{"id": number, "name": str(number)} for number in range(classes)],
        }
    )
    rows = [_rows(number, own) for number, own in zip(numbers, found, strict=True)]
    evaluation = library.COCOeval_faster(
        truth, truth.loadRes(np.concatenate([np.zeros((0, 7)), *rows])), "bbox"
    )
    evaluation.evaluate()
    evaluation.accumulate()
    # (IoU, recall, class, area, number of boxes); -1 for a class without boxes.
    precision: NDArray[np.float64] = evaluation.eval["precision"][..., _MOST]
    every = precision[..., _ANY_SIZE]
    return Precisions(
        _mean(every),
        _mean(every[_IOU_50]),
        _mean(every[_IOU_75]),
        tuple(_mean(every[:, :, kind]) for kind in range(classes)),
        tuple(_mean(every[_IOU_50, :, kind]) for kind in range(classes)),
        {size: _mean(precision[..., place]) for place, size in enumerate(SIZES, 1)},
        torch.from_numpy(np.where(every[_IOU_50] < 0, np.nan, every[_IOU_50]).T.copy()),
    )


def _annotations(boxes: Sequence[Tensor] | Tensor) -> list[dict[str, Any]]:
    """The boxes as COCO's annotations; ids begin with 1, since the library takes 0 for none."""
    annotations: list[dict[str, Any]] = []
    for image, own in enumerate(boxes):
        for left, top, right, bottom, kind in without_padding(own).double().tolist():
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(kind),
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return annotations


def _rows(image: int, found: Detections) -> NDArray[np.float64]:
    """Detections as (n, 7): image, left, top, width, height, score and class."""
    corners = found.boxes.cpu().double()
    columns = (
        torch.full((len(corners), 1), float(image)),
        corners[:, :2],
        corners[:, 2:] - corners[:, :2],
        found.scores[:, None].cpu(),
        found.classes[:, None].cpu(),
    )
    return torch.cat([column.double() for column in columns], 1).numpy()


def _mean(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision >= 0]
    return float(known.mean()) if known.size else None


def confusion(
    found: Sequence[Detections],
    boxes: Sequence[Tensor] | Tensor,
    classes: int,
    least: float,
    overlap: float = 0.5,
) -> Tensor:
    """Boxes by class (row) and by the class of the detection at their place (column), (K + 1, K + 1) int64.

    Detections with a score of `least` or more count. Pairs with an IoU of `overlap` or more are matched, the
    largest IoU first, each box and each detection once, whatever their classes. The last row are detections
    without a box, the last column boxes without a detection.
    """
    from torchvision.ops import box_iou  # late: slow to import

    counts = torch.zeros(classes + 1, classes + 1, dtype=torch.int64)
    for own, padded in zip(found, boxes, strict=True):
        real = without_padding(padded).cpu()
        labels = real[:, 4].long()
        sure = own.scores.cpu() >= least
        places, kinds = own.boxes.cpu()[sure], own.classes.cpu()[sure]
        row, column = _matches(box_iou(real[:, :4], places.to(real.dtype)), overlap)
        counts.index_put_((labels[row], kinds[column]), torch.tensor(1), accumulate=True)
        missed, extra = _without(labels, row), _without(kinds, column)
        counts[:-1, -1] += missed.bincount(minlength=classes)
        counts[-1, :-1] += extra.bincount(minlength=classes)
    return counts


def _matches(ious: Tensor, overlap: float) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pairs, by falling IoU, each row and column once."""
    rows, columns = (ious >= overlap).nonzero(as_tuple=True)
    order = ious[rows, columns].argsort(descending=True, stable=True)
    taken_rows: dict[int, int] = {}
    taken_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows[row] = column
            taken_columns.add(column)
    return torch.tensor(list(taken_rows), dtype=torch.int64), torch.tensor(
        list(taken_rows.values()), dtype=torch.int64
    )


def _without(values: Tensor, taken: Tensor) -> Tensor:
    """The values at the places that aren't taken."""
    left = torch.ones(len(values), dtype=torch.bool)
    left[taken] = False
    return values[left]
