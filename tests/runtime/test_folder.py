from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from netdsl.language.recipe import Folder
from netdsl.runtime import decode as decode_module
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError
from netdsl.runtime.open_image import Opened, decode_one
from tests.support.samples import load, pixels, said, save_image

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for half, count in (("train", 6), ("test", 2)):
        for i in range(count):
            save_image(root / half / "red" / f"{i}.png", RED)
            save_image(root / half / "blue" / f"{i}.png", BLUE)
    return root


def read(root: Path, console: Console, shape: tuple[int, ...] = (3, 4, 4)) -> Dataset:
    return load(Folder(str(root)), shape, 2, None, 0, console)


def test_train_and_test(halves: Path, console: Console) -> None:
    data = read(halves, console)
    assert data.classes == ("blue", "red")
    assert (len(data.train), len(data.validation), len(data.test)) == (11, 1, 4)
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    assert pixels(data.test)[0, :, 2, 2].tolist() == list(BLUE)
    assert pixels(data.test)[3, :, 2, 2].tolist() == list(RED)


def test_one_folder_of_classes_is_split(tmp_path: Path, console: Console) -> None:
    for i in range(20):
        save_image(tmp_path / "one" / "red" / f"{i}.png", (i, 0, 0))
        save_image(tmp_path / "one" / "blue" / f"{i}.png", (0, 0, i))
    data, again = read(tmp_path / "one", console), read(tmp_path / "one", console)
    assert (len(data.train), len(data.validation), len(data.test)) == (33, 3, 4)
    assert torch.equal(pixels(data.test), pixels(again.test))


def test_every_mode_and_size_is_converted(tmp_path: Path, console: Console) -> None:
    root = tmp_path / "images"
    for i in range(20):
        save_image(root / "b" / f"{i}.png", size=4 + i)
    (root / "a").mkdir()
    for i, mode in enumerate(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")):
        white = Image.new("L", (5 + i, 30), 255).convert(mode)
        white.save(root / "a" / f"{mode}.tif")
    Image.fromarray(np.full((30, 5), 65535, np.uint16)).save(root / "a" / "16 bits.png")
    for shape in ((3, 8, 6), (1, 8, 6)):
        data = read(root, console, shape)
        everything = torch.cat([pixels(data.train), pixels(data.validation), pixels(data.test)])
        labels = torch.cat([data.train.labels, data.validation.labels, data.test.labels])
        assert everything.shape == (28, *shape)
        assert (everything[labels == 0] == 255).all()
    assert not said(console)


def test_broken_images_are_named_and_left_out(halves: Path, console: Console) -> None:
    (halves / "train" / "red" / "notes.txt").write_text("not an image")
    whole = (halves / "train" / "red" / "0.png").read_bytes()
    (halves / "train" / "red" / "half [1].png").write_bytes(whole[: len(whole) // 2])
    (halves / "train" / "red" / ".hidden").write_text("")
    data = read(halves, console)
    assert len(data.train) + len(data.validation) == 12
    assert "notes.txt" in said(console) and "half [1].png" in said(console)
    assert ".hidden" not in said(console)
    read(halves, console)
    assert said(console).count("notes.txt") == 2  # From the cache too.


def test_the_cache_is_used_and_renewed(
    halves: Path, cache: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []
    original = decode_one

    def counted(file: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], Opened]:
        decoded.append(file)
        return original(file, shape)

    monkeypatch.setattr(decode_module, "decode_one", counted)
    first = read(halves, console)
    assert len(decoded) == 16
    assert torch.equal(pixels(read(halves, console).train), pixels(first.train))
    assert len(decoded) == 16
    os.utime(halves / "test" / "red" / "0.png", (1, 1))
    read(halves, console)
    assert len(decoded) == 32
    (file,) = (cache / "images").iterdir()
    for damage in (b"", file.read_bytes()[:-3], b"\xff" * 100):
        file.write_bytes(damage)
        decoded.clear()
        assert torch.equal(pixels(read(halves, console).train), pixels(first.train))
        assert len(decoded) == 16
    assert not said(console)


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(
    halves: Path, cache: Path, console: Console
) -> None:
    cache.write_text("in the way")
    assert len(read(halves, console).test) == 4
    assert "are not cached" in said(console)


def test_folders_that_cannot_be_used(tmp_path: Path, halves: Path, console: Console) -> None:
    def fails(root: Path, message: str) -> None:
        with pytest.raises(RunError, match=message) as raised:
            read(root, console)
        assert "CLASS" in raised.value.help

    fails(tmp_path / "missing", "missing: No such file")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "no images to train on")
    save_image(tmp_path / "half" / "train" / "red" / "0.png")
    fails(tmp_path / "half", "no folder `test`")
    save_image(halves / "test" / "green" / "0.png")
    fails(halves, "lacks: `green`")
    (halves / "train" / "green").mkdir()
    fails(halves, "class `green` in .* has no images")
    (halves / "train" / "green" / "0.png").write_text("broken")
    fails(halves, "class `green` in .* has no readable image to train on")


def test_no_test_image_is_left(halves: Path, console: Console) -> None:
    for file in (halves / "test").rglob("*.png"):
        file.write_bytes(b"broken")
    with pytest.raises(RunError, match="no readable image to test on"):
        read(halves, console)
