"""Single image files: what a viewer shows is what is read, or the reason is given."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from netdsl.runtime.open_image import MOST_PIXELS, Undecodable, decode_one, open_image

STEPS = np.array([[0, 51, 102, 153, 204, 255]] * 4, np.uint8)
WIDE = STEPS.astype(np.int32)
L = Image.fromarray(STEPS)
RGB = L.convert("RGB")
# The modes of Pillow in which no file is opened.
NEVER_OPENED = {"HSV", "I;16N", "I;16L", "RGBX"}

Save = Callable[[Path], None]


def saved(image: Image.Image, name: str, **options: object) -> tuple[str, Save]:
    return name, lambda path: image.save(path, **options)  # type: ignore[arg-type]


def associated(image: Image.Image) -> tuple[str, Save]:
    """A TIFF whose colours are multiplied by alpha: its tag 338 is 1 instead of 2."""

    def save(path: Path) -> None:
        image.save(path)
        kind, associated = (struct.pack("<HHIHH", 338, 3, 1, kind, 0) for kind in (2, 1))
        path.write_bytes(path.read_bytes().replace(kind, associated))

    return "x.tif", save


# All show STEPS in gray, by the mode that Pillow opens the file in.
READ: dict[str, tuple[str, Save]] = {
    "L": saved(L, "x.png"),
    "LA": saved(L.convert("LA"), "x.png"),
    "La": associated(L.convert("LA")),
    "P": saved(L.convert("P"), "x.png"),
    "PA": saved(L.convert("P").convert("PA"), "x.tif"),
    "I;16": saved(Image.fromarray((WIDE * 257).astype(np.uint16)), "x.png"),
    "I;16B": saved(Image.fromarray((WIDE * 257).astype(">u2")), "x.tif"),
    "I": saved(Image.fromarray(WIDE), "x.tif"),
    "I of PGM": saved(Image.fromarray((WIDE * 257).astype(np.uint16)), "x.pgm"),
    "F": saved(Image.fromarray((WIDE / 255).astype(np.float32)), "x.tif"),
    "RGB": saved(RGB, "x.png"),
    "RGBA": saved(RGB.convert("RGBA"), "x.png"),
    "RGBa": associated(RGB.convert("RGBA")),
    "CMYK": saved(RGB.convert("CMYK"), "x.tif"),
    "YCbCr": saved(RGB.convert("YCbCr"), "x.tif"),
}


def gray(path: Path, channels: int = 3) -> NDArray[np.uint8]:
    """The first channel of an image, after a check that the others are equal to it."""
    pixels, opened = decode_one(path, (channels, 4, 6))
    assert opened.remark == ""
    assert int(np.ptp(pixels.astype(int), axis=2).max()) <= 2
    return pixels[:, :, 0]


@pytest.mark.parametrize("mode", READ)
def test_every_mode_shows_the_same_picture(mode: str, tmp_path: Path) -> None:
    name, save = READ[mode]
    save(tmp_path / name)
    with Image.open(tmp_path / name) as opened:
        assert opened.mode == ("RGBA" if mode == "RGBa" else mode.partition(" ")[0])
    for channels in (1, 3):
        assert np.abs(gray(tmp_path / name, channels).astype(int) - STEPS).max() <= 2


def test_no_mode_is_forgotten(tmp_path: Path) -> None:
    assert {*READ, "1", "LAB"} >= set(Image.MODES) - NEVER_OPENED
    L.point(lambda value: 255 * (value > 100), "1").save(tmp_path / "x.png")
    assert gray(tmp_path / "x.png").tolist() == [[0, 0, 255, 255, 255, 255]] * 4


def values(array: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(array)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (values(WIDE * 1000), "signed or 32-bit values from 0 to 255000, which are read from 0 to 255 only"),
        (values(WIDE - 100), "values from -100 to 155"),
        (values(WIDE.astype(np.float32)), "floating point values from 0 to 255, which are read from 0 to 1"),
        (values(np.where(WIDE > 0, WIDE / 255, np.nan).astype(np.float32)), "from nan to nan"),
        (values((WIDE - 0.5).astype(np.float32)), "from -0.5 to 254.5"),
        (Image.new("LAB", (6, 4)), "the LAB space"),
    ],
)
def test_ranges_that_are_not_known_are_refused(image: Image.Image, reason: str, tmp_path: Path) -> None:
    image.save(tmp_path / "x.tif")
    with pytest.raises(Undecodable, match=reason):
        open_image(tmp_path / "x.tif", 3)


def tiff(path: Path, bits: int, photometric: int, sample_format: int, rows: bytes) -> Path:
    """A gray TIFF of 6 x 4 pixels, which Pillow can't write."""
    entries = [(256, 6), (257, 4), (258, bits), (259, 1), (262, photometric), (273, 8)]
    entries += [(277, 1), (278, 4), (279, len(rows)), (339, sample_format)]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + directory + bytes(4))
    return path


def test_tiff_of_12_bits_and_of_white_that_is_zero(tmp_path: Path) -> None:
    def packed(row: list[int]) -> bytes:
        pairs = zip(row[::2], row[1::2], strict=True)
        return b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)

    twelve = b"".join(packed([value * 16 + value // 16 for value in row]) for row in STEPS.tolist())
    assert np.abs(gray(tiff(tmp_path / "a.tif", 12, 1, 1, twelve)).astype(int) - STEPS).max() <= 1
    sixteen = (65535 - WIDE * 257).astype("<u2").tobytes()
    assert np.abs(gray(tiff(tmp_path / "b.tif", 16, 0, 1, sixteen)).astype(int) - STEPS).max() <= 1
    signed = (WIDE * 100 - 5000).astype("<i2").tobytes()
    with pytest.raises(Undecodable, match="values from -5000 to 20500"):
        open_image(tiff(tmp_path / "c.tif", 16, 1, 2, signed), 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (90, 255)])
def test_drawings_in_the_alpha_channel(mode: str, ink: int, paper: int, tmp_path: Path) -> None:
    drawing = Image.new("RGBA", (6, 4), (ink, ink, ink, 0))
    drawing.putpixel((2, 1), (ink, ink, ink, 255))
    if mode == "P":
        drawing = drawing.quantize(4, Image.Quantize.FASTOCTREE)
    (drawing if mode in ("RGBA", "P") else drawing.convert(mode)).save(tmp_path / "x.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = gray(tmp_path / "x.png")
    assert shown[1, 2] == ink
    assert (np.delete(shown.ravel(), 8) == paper).all()


def test_images_of_too_many_pixels(tmp_path: Path) -> None:
    Image.new("1", (13400, 13400)).save(tmp_path / "x.png")
    with pytest.raises(Undecodable, match=rf"13,400 x 13,400 pixels: at most {MOST_PIXELS:,} are read"):
        open_image(tmp_path / "x.png", 1)
    Image.new("1", (9600, 9600)).save(tmp_path / "y.png")  # Pillow warns of it.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(tmp_path / "y.png", 1).size == (1, 9600, 9600)
    assert Image.MAX_IMAGE_PIXELS == MOST_PIXELS // 2


def test_damage_that_spares_the_pixels_is_remarked(tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0"  # cut off within the first of five tags
    RGB.save(tmp_path / "x.jpg", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = open_image(tmp_path / "x.jpg", 3)
    assert opened.image.size == (6, 4)
    assert opened.remark.startswith("Corrupt EXIF data")


def test_images_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be rotated by a quarter
    Image.fromarray(STEPS).save(tmp_path / "x.png", exif=exif)
    image = open_image(tmp_path / "x.png", 1).image
    assert image.size == (4, 6) and np.asarray(image)[:, 0].tolist() == STEPS[0].tolist()
    assert open_image(tmp_path / "x.png", 1).size == (1, 6, 4)


def test_files_that_are_no_images(tmp_path: Path) -> None:
    L.save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-20])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    reasons = {
        "half.png": "it can.t be decoded, .*",
        "empty.png": "an empty file",
        "text.png": "not an image of a known format",
        "pipe.png": "not a regular file",
        "loop.png": "no such file",
        "none.png": "no such file",
        ".": "not a regular file",
    }
    for name, reason in reasons.items():
        with pytest.raises(Undecodable, match=f"^{reason}$"):
            open_image(tmp_path / name, 3)
