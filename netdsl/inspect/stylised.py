"""Images of any size: read, and written as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from netdsl.runtime.decode import open_image
from netdsl.runtime.errors import RunError
from netdsl.runtime.storage import write_atomic


def read_scaled(file: Path, channels: int, size: int) -> Tensor:
    """An image, (1, channels, H, W) float32 from 0 to 1, whose longer side has `size` pixels.

    Raises RunError where the file isn't one.
    """
    image = open_image(file, channels)
    if image is None:
        reason = "is not an image" if file.exists() else "doesn't exist"
        raise RunError(f"{file} {reason}", "name two images: the content, and the style")
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    # As images are resized for training: PIL smooths what gets smaller.
    pixels = np.array(image.resize((width, height), Image.Resampling.BILINEAR)).reshape(
        height, width, channels
    )
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def write_image(image: Tensor, file: Path) -> None:
    """Writes (C, H, W), from 0 to 1, as 8 bits; the ending of `file` chooses the format. Raises RunError."""
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(
        content, Image.registered_extensions()[file.suffix.lower()], quality=95
    )
    write_atomic(file, content.getvalue())
