"""Folders of images with masks: what is read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from netdsl.runtime.errors import RunError
from netdsl.runtime.images import RULES, Source
from netdsl.runtime.segmentation import IGNORED
from netdsl.runtime.segmentation.mask_folder import read
from tests.support.commands import netdsl


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images for training and two for the test: the left half is of class 0, the right one of class 2."""
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    for part, count in (("train", 6), ("test", 2)):
        for kind in ("images", "masks"):
            (root / part / kind).mkdir(parents=True)
        for i in range(count):
            mask = np.zeros((10, 20), np.uint8)
            mask[:, 10:], mask[0, 0] = 2, IGNORED
            Image.fromarray(np.full((10, 20, 3), 100 + i, np.uint8)).save(root / part / "images" / f"{i}.jpg")
            Image.fromarray(mask).save(root / part / "masks" / f"{i}.png")
    (root / "classes.txt").write_text("sky\nsea\nland\n")
    return root


def source(folder: Path, size: tuple[int, int] = (10, 20)) -> Source:
    return read(str(folder), (3, *size), Console(quiet=True), None, None, RULES)


def test_images_and_masks(folder: Path) -> None:
    found = source(folder)
    assert found.classes == ("sky", "sea", "land") and len(found.train) == 6 and len(found.test) == 2
    mask = found.train.labels[0]
    assert mask.dtype is torch.uint8 and mask[0, 0] == IGNORED
    assert (mask[1:, :10] == 0).all() and (mask[:, 10:] == 2).all()
    smaller = source(folder, (5, 10)).train.labels[0]
    assert smaller.shape == (5, 10) and (smaller[:, :5] % IGNORED == 0).all() and (smaller[:, 5:] == 2).all()


def test_masks_with_a_palette_and_without_names_or_test(folder: Path) -> None:
    (folder / "classes.txt").unlink()
    for file in (folder / "train" / "masks").iterdir():
        with Image.open(file) as image:
            image.putpalette([number // 3 for number in range(768)])
            image.save(file)
    (folder / "test").rename(folder / "other")
    found = source(folder)
    assert found.classes == ("0", "1", "2") and found.test_split_off
    assert (len(found.train), len(found.test)) == (5, 1) and (found.train.labels[0, :, 10:] == 2).all()


def of_other_size(mask: Path) -> None:
    Image.new("L", (19, 10)).save(mask)


def of_colours(mask: Path) -> None:
    Image.new("RGB", (20, 10)).save(mask)


def of_an_unknown_class(mask: Path) -> None:
    Image.new("L", (20, 10), 7).save(mask)


def counted_from_one(mask: Path) -> None:
    Image.new("L", (20, 10), 3).save(mask)


@pytest.mark.parametrize(
    ("change", "message", "help"),
    [
        (Path.unlink, "1 of 6 images have no mask, such as", "masks/3.png; remove images that have none"),
        (of_other_size, "3.png is 10x19, but its image is 10x20", "a mask has the size of its image"),
        (of_colours, "are not numbers of classes: its mode is RGB", "in 8-bit gray"),
        (
            of_an_unknown_class,
            "3.png has pixels of class 7, which has no name",
            "the classes 0 to 2; 255 are",
        ),
        (counted_from_one, "has pixels of class 3", "if the masks count from 1, subtract 1"),
        (lambda mask: mask.write_bytes(b"no picture"), "3.png can't be read as an image", "expected PATH"),
    ],
)
def test_wrong_masks(change: Callable[[Path], None], message: str, help: str, folder: Path) -> None:
    change(folder / "train" / "masks" / "3.png")
    with pytest.raises(RunError) as caught:
        source(folder)
    assert message in str(caught.value) and help in str(caught.value.help)


def test_a_name_that_is_given_twice(folder: Path) -> None:
    (folder / "classes.txt").write_text("sky\nsky")
    with pytest.raises(RunError, match="has a name twice"):
        source(folder)


def test_other_folders(folder: Path) -> None:
    (folder / "train").rename(folder / "val")
    with pytest.raises(RunError, match="has no folder `train`"):
        source(folder)
    for file in (folder / "test" / "images").iterdir():
        file.unlink()
    (folder / "val").rename(folder / "train")
    with pytest.raises(RunError, match="has no images"):
        source(folder)


def test_pixels_of_each_class_are_counted_and_drawn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    done = netdsl("data", "data", "-o", "samples.png")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "data: 8 images of 3 classes (masks)" and "pixels of no class (255): 8" in lines
    assert [line.split() for line in lines[3:8]] == [
        ["class", "train", "test"],
        ["sky", "594", "198"],
        ["sea", "0", "0"],
        ["land", "600", "200"],
        ["total", "1,194", "398"],
    ]
    assert Path("samples.png").stat().st_size > 0
    (folder / "train" / "masks" / "3.png").unlink()
    refused = netdsl("data", "data")
    assert refused.exit_code == 1 and "1 of 6 images have no mask" in refused.output
