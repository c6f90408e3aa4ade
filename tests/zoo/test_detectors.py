"""The maps that are compared with torchvision's are those from which its heads make rows of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import fcos, retinanet

from tests.zoo.maps import Detector, small_detector

CLASSES = 91


def rows(maps: Sequence[Tensor], anchors: int, first: int, numbers: int) -> Tensor:
    """The `numbers` of each anchor from channel `first` on, (N, boxes, numbers), in torchvision's order."""
    own = [y[:, first : first + anchors * numbers].unflatten(1, (anchors, numbers)) for y in maps]
    return torch.cat([y.permute(0, 3, 4, 1, 2).flatten(1, 3) for y in own], 1)


@pytest.mark.parametrize("head, anchors", [(fcos.FCOSHead, 1), (retinanet.RetinaNetHead, 9)])
def test_maps_are_the_rows_of_the_heads(head: type[torch.nn.Module], anchors: int) -> None:
    torch.manual_seed(0)
    model = small_detector(head, anchors).eval()
    assert isinstance(model, Detector)
    x = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        expected, maps = model.head(list(model.backbone(x).values())), model(x)
    assert [tuple(y.shape[2:]) for y in maps] == [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    assert torch.equal(rows(maps, anchors, 0, CLASSES), expected["cls_logits"])
    boxes = rows(maps, anchors, anchors * CLASSES, 4)
    boxes = boxes.relu() if "bbox_ctrness" in expected else boxes
    assert torch.equal(boxes, expected["bbox_regression"])
    if "bbox_ctrness" in expected:
        assert torch.equal(rows(maps, anchors, CLASSES + 4, 1), expected["bbox_ctrness"])
