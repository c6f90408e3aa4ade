"""Pictures of images with the classes of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.detection.draw import colours, enlarged

# How much of a pixel's colour is that of its class.
_COVER = 0.55


def with_classes(image: Tensor, mask: Tensor, classes: Sequence[str]) -> Tensor:
    """An image (1 or 3, h, w) uint8 with the colour of each pixel's class over it, as (3, H, W) uint8; small
    images are enlarged by a whole factor. `mask`, (h, w), has the numbers of classes; a class named
    `background` is left as it is.
    """
    from torchvision.utils import draw_segmentation_masks  # late: slow to import

    shown, factor = enlarged(image)
    large = F.interpolate(mask[None, None].float(), scale_factor=factor)[0, 0].long().cpu()
    numbers = [number for number, name in enumerate(classes) if name != "background"]
    palette = colours(len(classes))
    drawn: Tensor = draw_segmentation_masks(
        shown,
        torch.stack([large == number for number in numbers]),
        alpha=_COVER,
        colors=[palette[number] for number in numbers],
    )
    return drawn
