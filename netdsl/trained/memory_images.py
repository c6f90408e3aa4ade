"""Images from Python: paths, images of Pillow, arrays and tensors, as files and images of Pillow."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.trained.predict import image_files

OneImage: TypeAlias = str | PathLike[str] | Image.Image | NDArray[Any] | Tensor
Images: TypeAlias = OneImage | Iterable[OneImage]


def as_images(images: Images) -> list[Path | Image.Image]:
    """All images, in order: a folder is replaced by the images in it, a batch by its images.

    Arrays are (H, W), (H, W, C) or (N, H, W, C); tensors (H, W), (C, H, W) or (N, C, H, W), as in their
    libraries: C is 1 or 3, and values are uint8, or floating point numbers from 0 to 1, which are rounded to
    8 bits, as files have them. Raises RunError for others.
    """
    match images:
        case str() | PathLike():
            return [*image_files([Path(images)])]
        case Image.Image():
            return [images]
        case Tensor():
            values = images.detach().cpu()
            channels = values.dim() > 2
            return _of_array((values.movedim(-3, -1) if channels else values).numpy(), "(N, C, H, W)")
        case np.ndarray():
            return _of_array(images, "(N, H, W, C)")
        case Iterable():
            return [found for image in images for found in as_images(image)]
    raise RunError(
        f"{type(images).__name__} is not an image", "give paths, images of Pillow, arrays or tensors"
    )


def _of_array(values: NDArray[Any], form: str) -> list[Path | Image.Image]:
    """The images of an array whose channels are last."""
    if values.ndim == 4:
        return [found for one in values for found in _of_array(one, form)]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3)) or not values.size:
        help = f"give {form}, or one image of it, with 1 or 3 channels"
        raise RunError(f"an array with channels last of shape {values.shape} is not an image", help)
    if values.dtype != np.uint8:
        floating = np.issubdtype(values.dtype, np.floating)
        if not floating or not ((values >= 0) & (values <= 1)).all():
            raise RunError(
                f"the values of an image are uint8, or from 0 to 1; these are {values.dtype}, from "
                f"{values.min():g} to {values.max():g}",
                "divide by 255 where they go from 0 to 255; don't normalise them: the network does",
            )
        values = (values * 255).round().astype(np.uint8)
    return [Image.fromarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values)]
