"""Reading of single image files: the pixels that a viewer shows, as 8 bits, or the reason why not."""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from netdsl.runtime.silence import first_line

# The most pixels of an image: more than 0.7 GB while it is read. JPEG files are decoded at an eighth from
# a half of it on.
MOST_PIXELS = 178_956_970
# Larger images are read one at a time: each takes 60 MB or more.
_LARGE = 2**24
# The path that stands for an image on standard input.
STANDARD_INPUT = Path("-")
_GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
# Files whose images of 16 bits are known to be unsigned. Pillow reads those of PPM as mode `I`.
_UNSIGNED = ("PNG", "TIFF", "JPEG2000", "PPM")
# Tags of TIFF, and a value of the second.
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
# Orientations by EXIF whose width is the height of the pixels in the file.
_TURNED = (5, 6, 7, 8)
# Composed onto white, an image with no darker pixel shows nothing.
_DARKEST_BLANK = 247


class Undecodable(Exception):
    """The file is not an image that can be read; `str()` is the reason."""


class Opened(NamedTuple):
    """An image, gray for one channel, upright; `size` is (channels, height, width) in its file, when upright,
    and `remark` what is wrong with the file although the image can be read.
    """

    image: Image.Image
    size: tuple[int, int, int]
    remark: str


@dataclass
class _Heard(threading.local):
    """Pillow's warnings, by thread."""

    messages: list[str] = field(default_factory=list)


_heard = _Heard()
_one_large_at_a_time = threading.Lock()


def is_named_image(file: Path) -> bool:
    """True if a file's ending is that of images which can be read, and the file isn't hidden."""
    kind = Image.registered_extensions().get(file.suffix.lower())
    return kind in Image.OPEN and not file.name.startswith(".")


def decode_one(file: Path | Image.Image, input_shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], Opened]:
    """An image fitted to a shape (C, H, W), as (H, W, C) uint8, and as it was opened. Raises Undecodable."""
    channels, height, width = input_shape
    opened = open_image(file, channels)
    image = opened.image
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, channels), opened


@lru_cache(maxsize=1)
def _all_of(stream: TextIO) -> bytes:
    """The bytes of a stream that can be read only once, such as a pipe."""
    return stream.buffer.read()


def open_image(file: Path | Image.Image, channels: int) -> Opened:
    """An image of a file or in memory at its own size, for 1 (gray) or 3 channels. Raises Undecodable."""
    mode = {1: "L", 3: "RGB"}[channels]
    if isinstance(file, Image.Image):
        with pillow_heard():
            return _read(file.copy(), mode)
    read: Path | io.BytesIO = file
    if file == STANDARD_INPUT:
        read = io.BytesIO(_all_of(sys.stdin))
    elif not os.path.isfile(file):  # opening a pipe would block
        raise Undecodable("not a regular file" if os.path.exists(file) else "no such file")
    _heard.messages.clear()
    try:
        with pillow_heard(), Image.open(read) as image:
            return _read(image, mode)
    except Undecodable:
        raise
    except PermissionError as error:
        raise Undecodable("no permission to read it") from error
    except UnidentifiedImageError as error:
        empty = not (read.getbuffer().nbytes if isinstance(read, io.BytesIO) else os.path.getsize(read))
        raise Undecodable("an empty file" if empty else "not an image of a known format") from error
    except MemoryError as error:
        raise Undecodable("too large for this machine's memory") from error
    except Exception as error:  # PIL's decoders raise any exception on broken files.
        raise Undecodable(f"it can't be decoded, {first_line(error)[:80]}") from error


@contextmanager
def pillow_heard() -> Iterator[None]:
    """Within the block, warnings of Pillow become remarks, and its own limit of pixels is off.

    Threads that open images must all run within one such block, since both are settings of the process.
    """
    if warnings.showwarning is _hear:
        yield
        return
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _hear
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _hear(message: Warning | str, *_: Any, **__: Any) -> None:
    _heard.messages.append(" ".join(str(message).split()))


def _read(image: Image.Image, mode: str) -> Opened:
    channels, height, width = 1 if image.mode in _GRAY else 3, image.height, image.width
    if image.width * image.height > MOST_PIXELS // 2:
        image.draft(None, (image.width // 8, image.height // 8))
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise Undecodable(
            f"too large, {image.width:,} x {image.height:,} pixels: at most {MOST_PIXELS:,} are read"
        )
    with _one_large_at_a_time if pixels > _LARGE else nullcontext():
        image.load()
        try:
            if image.getexif().get(ExifTags.Base.Orientation) in _TURNED:
                height, width = width, height
            ImageOps.exif_transpose(image, in_place=True)
        except Exception as error:  # noqa: BLE001 - the image is valid without it
            _hear(f"its orientation can't be read: {error}")
        converted = _converted(_eight_bits(image), mode)
    return Opened(converted, (channels, height, width), _heard.messages[0] if _heard.messages else "")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel. Raises Undecodable if the range of its values is not known.

    Scaled by their own extremes, the images of a data set could not be compared.
    """
    kind, tags = image.format, getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM"):
        bits = tags.get(_BITS, (16,))[0]
        if kind not in _UNSIGNED:
            raise Undecodable(f"16 bits a pixel in a {kind} file, whose range is not known")
    elif image.mode == "I":
        bits = 8
    elif image.mode == "F":
        bits = 0
    else:
        return image
    values = np.asarray(image)
    low, high, top = values.min(), values.max(), 2**bits - 1 or 1
    if not 0 <= low <= high <= top:  # also not a number
        what = "signed or 32-bit values" if bits else "floating point values"
        raise Undecodable(f"{what} from {low:g} to {high:g}, which are read from 0 to {top} only")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = top - values
    scaled = values >> (bits - 8) if bits else (values * 255).round()
    return Image.fromarray(scaled.astype(np.uint8))


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """The image in mode L or RGB, on white where it is transparent; on black if white would show nothing."""
    if image.mode == "LAB":
        raise Undecodable("colours of the LAB space, which can't be converted")
    if image.has_transparency_data:
        layer = image.convert("LA") if image.mode == "La" else image
        layer = layer if layer.mode == "RGBA" else layer.convert("RGBA")
        if layer.width * layer.height > 4 * _LARGE:  # composing takes three times its memory
            layer = layer.reduce(4)
        if _darkest(layer.getchannel("A")) < 255:
            composed = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            if _darkest(composed.convert("L")) >= _DARKEST_BLANK:
                composed = Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer)
            return composed.convert(mode)
        if image.mode in ("P", "La"):  # Pillow can't convert them, or warns
            image = layer
    return image if image.mode == mode else image.convert(mode)


def _darkest(image: Image.Image) -> float:
    """The lowest value of an image of one channel."""
    low, _ = image.getextrema()
    assert isinstance(low, (int, float))
    return low
