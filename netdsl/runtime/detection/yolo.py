"""YOLO with activated anchors: the course's one-stage detector (after Redmon et al. 2016 and 2017).

Units are cells of the output map, unless pixels are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.detection.boxes import centres


@dataclass(frozen=True, slots=True)
class Matches:
    """The anchors that boxes activate: a value for each row of the boxes, (N, M, ...).

    `real` is False for padding, whose other values mean nothing. `index` is flat over (N, A, h, w), `iou`
    is that of the anchor with the box, and `offsets` are what the network is to predict: the shift of the
    centre, then the logarithms of the ratios of width and height. `negative`, (N, A, h, w), are the anchors
    that overlap no box of their image by 0.2 or more.
    """

    real: Tensor
    index: Tensor
    iou: Tensor
    offsets: Tensor
    negative: Tensor


def match(boxes: Tensor, anchors: Tensor, height: int, width: int) -> Matches:
    """The anchors that the boxes activate.

    Each box activates, in the cell whose centre is nearest to its own, the anchor with the largest IoU.
    `boxes` are (N, M, 5) in cells, `anchors` (A, 2): width and height.
    """
    from torchvision.ops import box_iou  # late: torchvision is slow to import

    count, most = boxes.shape[:2]
    number = len(anchors)
    middle = (boxes[:, :, :2] + boxes[:, :, 2:4]) / 2
    size = boxes[:, :, 2:4] - boxes[:, :, :2]
    # By the Manhattan distance, and the first of equally distant ones: x and y are independent.
    cell = (middle.ceil() - 1).clamp(min=0).long()
    column, row = cell[..., 0].clamp(max=width - 1), cell[..., 1].clamp(max=height - 1)
    grid = centres(height, width, boxes.device)
    half = anchors[:, None, None] / 2
    every = torch.cat((grid - half, grid + half), 3)  # (A, h, w, 4)
    # Padding has no area, and overlaps nothing.
    overlaps = box_iou(every.view(-1, 4), boxes[:, :, :4].reshape(-1, 4))
    overlaps = overlaps.view(number, height, width, count, most)
    image, place = torch.arange(count, device=boxes.device)[:, None], torch.arange(most, device=boxes.device)
    iou, anchor = overlaps[:, row, column, image, place].max(0)
    index = ((image * number + anchor) * height + row) * width + column
    ratios = size.clamp(min=1e-6) / anchors[anchor]
    offsets = torch.cat((middle - cell - 0.5, ratios.log()), 2)
    # A column of zeros: an image may have no boxes.
    largest = F.pad(overlaps, (0, 1)).amax(4).movedim(3, 0)
    return Matches(boxes[:, :, 4] >= 0, index, iou, offsets, largest < 0.2)


@dataclass(frozen=True, slots=True)
class Yolo:
    """The head of one map: (N, 5A + C, h, w).

    For each of the A anchors in turn: the confidence, the shift of the centre in x and y, the logarithms of
    the ratios of width and height to the anchor's; then C class scores, which the anchors of a cell share.
    `anchors`, (A, 2), are heights and widths in pixels.
    """

    anchors: tuple[tuple[int, int], ...]
    classes: int
    stride: int
    # Weights of the loss.
    confidence: float = 1.0
    box: float = 1.0
    class_: float = 1.0
    parts = ("confidence", "box", "class")

    def split(self, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Confidences (N, A, h, w), offsets (N, A, h, w, 4) and class scores (N, C, h, w)."""
        number = len(self.anchors)
        heads = output[:, : 5 * number].unflatten(1, (number, 5)).float()
        confidences = heads[:, :, 0].sigmoid()
        shift = heads[:, :, 1:3].sigmoid() - 0.5
        return (
            confidences,
            torch.cat((shift, heads[:, :, 3:]), 2).movedim(2, 4),
            output[:, 5 * number :].float(),
        )

    def _anchors(self, device: torch.device) -> Tensor:
        # Filled on the device: a copy from the CPU would wait for it.
        sides = [
            torch.full((), side / self.stride, device=device) for pair in self.anchors for side in pair[::-1]
        ]
        return torch.stack(sides).view(-1, 2)

    def loss(self, outputs: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """The losses of confidence, box and class, (3,), with their weights, for boxes in pixels.

        The negative anchors are drawn by torch's own random numbers.
        """
        (output,) = outputs
        height, width = output.shape[2:]
        order = torch.rand(len(output), len(self.anchors), height, width, device=output.device)
        return self.ordered_loss(output, boxes, order)

    def ordered_loss(self, output: Tensor, boxes: Tensor, order: Tensor) -> Tensor:
        """The losses of confidence, box and class, (3,), with their weights.

        The mean over positive and as many negative anchors of (confidence - target)², with targets 1 and 0;
        the squares of the errors of the offsets, summed, for each positive; cross entropy, averaged over the
        boxes of an image and then over the images that have any. `boxes` are in pixels. `order`, (N, A, h,
        w), are numbers from 0 to 1, by which the negatives are drawn: the smallest are taken.
        """
        confidences, offsets, scores = self.split(output)
        height, width = output.shape[2:]
        cells = torch.cat((boxes[:, :, :4] / self.stride, boxes[:, :, 4:]), 2)
        found = match(cells, self._anchors(output.device), height, width)
        real = found.real.float()
        positives = real.sum()
        index = found.index.clamp(max=confidences.numel() - 1)
        # No number is read from the device, so that a step does not wait for it.
        drawn = order.masked_fill(~found.negative, 2).flatten()
        ranks = drawn.argsort().argsort()
        taken = (ranks < positives) & found.negative.flatten()
        squares = (((confidences.flatten()[index] - 1) ** 2) * real).sum()
        squares = squares + ((confidences.flatten() ** 2) * taken).sum()
        errors = (offsets.reshape(-1, 4)[index] - found.offsets).square().sum(2)
        entropy = self._entropy(scores, boxes, index)
        images = real.sum(1)
        by_image = (entropy * real).sum(1) / images.clamp(min=1)
        most = positives.clamp(min=1)
        return torch.stack(
            (
                self.confidence * squares / (positives + taken.sum()).clamp(min=1),
                self.box * (errors * real).sum() / most,
                self.class_ * by_image.sum() / (images > 0).sum().clamp(min=1),
            )
        )

    def _entropy(self, scores: Tensor, boxes: Tensor, index: Tensor) -> Tensor:
        """The cross entropy of each box's class at its cell, (N, M)."""
        height, width = scores.shape[2:]
        cell = index % (height * width)
        found = scores.flatten(2).gather(2, cell[:, None].expand(-1, self.classes, -1))  # (N, C, M)
        return F.cross_entropy(found, boxes[:, :, 4].long().clamp(min=0), reduction="none")

    def candidates(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """All boxes in pixels, (N, A * h * w, 4), and their scores by class, (N, A * h * w, C).

        Only the score of a box's most likely class isn't zero; it is the confidence.
        """
        (output,) = outputs
        confidences, offsets, scores = self.split(output)
        height, width = output.shape[2:]
        anchors = self._anchors(output.device)[:, None, None]
        middle = centres(height, width, output.device) + offsets[..., :2]
        half = anchors * offsets[..., 2:].exp() / 2
        boxes = torch.cat((middle - half, middle + half), 4) * self.stride
        chosen = F.one_hot(scores.argmax(1), self.classes)[:, None]  # (N, 1, h, w, C)
        return boxes.flatten(1, 3), (confidences[..., None] * chosen).flatten(1, 3)
