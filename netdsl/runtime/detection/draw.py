"""Pictures of images with boxes, their classes and scores."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from netdsl.base.printing import printable
from netdsl.runtime.detection.boxes import Detections, without_padding
from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic

# Smaller images are enlarged to at least this length of their longer side, so that labels are legible.
_LONG = 640
# Of the longer side: the width of lines, and the height of letters in a picture of its own.
_LINE, _LETTERS = 1 / 320, 1 / 45
# The formats of pictures by ending.
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
ENDINGS = tuple(_FORMATS)


def with_boxes(
    image: Tensor,
    boxes: Tensor,
    kinds: Tensor,
    texts: Sequence[str],
    classes: int,
    letters: float = _LETTERS,
) -> Tensor:
    """An image (1 or 3, h, w) uint8 with boxes (n, 4) in its pixels, each in the colour of its class and with
    a text above it, as (3, H, W) uint8: small images are enlarged by a whole factor. `letters` is the size
    of letters as a fraction of the longer side.
    """
    from torchvision.utils import draw_bounding_boxes  # late: slow to import

    shown, factor = enlarged(image)
    if not len(boxes):
        return shown.contiguous()
    palette, longer = colours(classes), max(shown.shape[1:])
    drawn: Tensor = draw_bounding_boxes(
        shown,
        boxes.cpu() * factor,
        labels=[printable(text) for text in texts],
        colors=[palette[kind] for kind in kinds.tolist()],
        width=max(1, round(_LINE * longer)),
        font=font_file(),
        font_size=max(6, round(letters * longer)),
        fill_labels=True,
    )
    return drawn


def font_file() -> str:
    """The file of the font of texts, which has letters of many scripts."""
    from matplotlib import get_data_path  # late: slow to import

    return str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


def enlarged(image: Tensor) -> tuple[Tensor, int]:
    """An image (1 or 3, h, w) uint8 as (3, H, W), enlarged if it is small, and the whole factor."""
    factor = -(-_LONG // max(image.shape[1:]))
    shown = image.expand(3, -1, -1).cpu()
    if factor > 1:
        shown = F.interpolate(shown[None].float(), scale_factor=factor, mode="bilinear")[0]
        shown = shown.round().clamp(0, 255).to(torch.uint8)
    return shown, factor


def with_detections(image: Tensor, found: Detections, classes: Sequence[str]) -> Tensor:
    """`with_boxes` of detections, whose texts are the class and the score; the surest are on top."""
    order = found.scores.argsort()
    kinds = found.classes[order]
    pairs = zip(kinds.tolist(), found.scores[order].tolist(), strict=True)
    texts = [f"{classes[kind]} {score:.0%}" for kind, score in pairs]
    return with_boxes(image, found.boxes[order], kinds, texts, len(classes))


def with_truth(image: Tensor, boxes: Tensor, classes: Sequence[str], letters: float = _LETTERS) -> Tensor:
    """`with_boxes` of annotated boxes, (M, 5), whose texts are the class; rows of -1 are padding."""
    real = without_padding(boxes)
    kinds = real[:, 4].long()
    texts = [classes[kind] for kind in kinds.tolist()]
    return with_boxes(image, real[:, :4], kinds, texts, len(classes), letters)


def colours(classes: int) -> list[tuple[int, int, int]]:
    """A colour for each class: red, green and blue from 0 to 255."""
    from matplotlib import colormaps

    few = classes <= 10
    named = [colormaps["tab10"](i) if few else colormaps["turbo"](i / (classes - 1)) for i in range(classes)]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue, _ in named]


def write_picture(image: Tensor, file: Path) -> None:
    """Writes an image (3, H, W) uint8 as it is, whole or not at all; the ending of `file` is its format, one
    of `ENDINGS`. Raises RunError.
    """
    format = _FORMATS.get(file.suffix.lower())
    if format is None:
        raise RunError(f"{file}: unknown picture format `{file.suffix}`", f"use one of {', '.join(ENDINGS)}")
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())).save(content, format)
    write_atomic(file, content.getvalue())
