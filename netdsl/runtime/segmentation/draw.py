"""Pictures of images with the classes of their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from netdsl.base.printing import printable
from netdsl.runtime.detection.draw import colours, enlarged, font_file

# The height of letters, of the longer side.
_LETTERS = 1 / 30
# How much of a pixel's colour is that of its class.
_COVER = 0.55


def with_classes(image: Tensor, mask: Tensor, classes: Sequence[str]) -> Tensor:
    """An image (1 or 3, h, w) uint8 with the colours of its pixels' classes over it, and their names,
    as (3, H, W) uint8; small images are enlarged by a whole factor. `mask`, (h, w), has the numbers of
    classes; a class named `background`, and pixels of no class, are left as they are.
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
    return _with_names(drawn, large, classes)


def _with_names(image: Tensor, mask: Tensor, classes: Sequence[str]) -> Tensor:
    """The image with the name of each class at the pixel that is nearest to the mean of its pixels."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    canvas = ImageDraw.Draw(picture)
    size = max(8, round(_LETTERS * max(picture.size)))
    font = ImageFont.truetype(font_file(), size)
    for number in mask.unique().tolist():
        if number >= len(classes) or classes[number] == "background":  # or of no class
            continue
        places = (mask == number).nonzero().float()
        nearest = (places - places.mean(0)).square().sum(1).argmin()
        y, x = places[nearest].tolist()
        text = printable(classes[number])
        canvas.text(
            (x, y), text, (255, 255, 255), font, anchor="mm", stroke_width=size // 8, stroke_fill=(0, 0, 0)
        )
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
