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
from netdsl.runtime import folder
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
    whole = file.read_bytes()
    for damage in (b"", whole[:-3], b"\xff" * 100, whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(damage)
        decoded.clear()
        assert torch.equal(pixels(read(halves, console).train), pixels(first.train))
        assert len(decoded) == 16
    assert not said(console)


def test_an_image_that_is_replaced_by_one_of_the_same_size_and_time(tmp_path: Path, console: Console) -> None:
    """As an archive does it that is unpacked over an older one."""
    for part in ("train", "test"):
        for name, value in (("a", 0), ("b", 50)):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("L", (8, 8), value).save(tmp_path / part / name / "0.bmp")
    file = tmp_path / "train" / "a" / "0.bmp"
    os.utime(file, (1, 1))
    size = file.stat().st_size
    assert pixels(read(tmp_path, console).train)[0].unique().tolist() == [0]
    Image.new("L", (8, 8), 200).save(file)
    os.utime(file, (1, 1))
    assert file.stat().st_size == size
    assert pixels(read(tmp_path, console).train)[0].unique().tolist() == [200]


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(
    halves: Path, cache: Path, console: Console
) -> None:
    cache.write_text("in the way")
    assert len(read(halves, console).test) == 4
    assert "are not cached" in said(console)


def test_folders_that_cannot_be_used(tmp_path: Path, halves: Path, console: Console) -> None:
    def fails(root: Path, message: str, help: str = "CLASS") -> None:
        with pytest.raises(RunError, match=message) as raised:
            read(root, console)
        assert help in raised.value.help

    fails(tmp_path / "missing", "missing: No such file", "`--data folder:PATH`")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "no images for training")
    save_image(tmp_path / "half" / "train" / "red" / "0.png")
    fails(tmp_path / "half", "no folder `test`", f"--data folder:{tmp_path / 'half' / 'train'}")
    save_image(tmp_path / "half" / "Valid" / "red" / "0.png")
    fails(tmp_path / "half", "`Valid` and `train` but no folder `test`", "rename `Valid` to `test`")
    save_image(tmp_path / "half" / "Test" / "0.png")
    fails(tmp_path / "half", "half/Test has 1 image, but no folder for each class")
    (tmp_path / "half" / "TEST").mkdir()
    fails(tmp_path / "half", "two folders for `test`: `TEST` and `Test`", "rename")
    save_image(tmp_path / "flat" / "0.png")
    fails(tmp_path / "flat", "flat has 1 image, but no folder for each class")
    above = tmp_path / "above"
    above.mkdir()
    (above / "images").symlink_to(halves)
    fails(above, "images is where a class is expected, but has the folders", f"--data folder:{above}/images")
    save_image(halves / "test" / "green" / "0.png")
    fails(halves, "lacks: `green`")
    (halves / "train" / "green").mkdir()
    fails(halves, "class `green` in .* has no images")
    (halves / "train" / "green" / "0.png").write_text("broken")
    fails(halves, "class `green` in .* has no readable image to train on")


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_validation_images_of_their_own(name: str, halves: Path, console: Console) -> None:
    for i in range(3):
        save_image(halves / name / "red" / f"{i}.png", RED)
    data = read(halves, console)
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 3, 4)
    assert data.validation.labels.tolist() == [1, 1, 1]
    without = load(Folder(str(halves)), (3, 4, 4), 2, 0, 0, console)
    assert (len(without.train), len(without.validation)) == (12, 0)
    before = load(Folder(str(halves)), (3, 4, 4), 2, None, 0, console, rules=1)
    assert (len(before.train), len(before.validation)) == (11, 1)


def test_layouts_that_people_have(halves: Path, console: Console) -> None:
    (halves / "train").rename(halves / "Train")
    (halves / "test").rename(halves / "TESTING")
    (halves / "__MACOSX" / "Train").mkdir(parents=True)
    (halves / "Train" / "__MACOSX").mkdir()
    for place in ("Train/loose.png", "Train/red/more/and/more/0.png", "extra/red/0.png"):
        save_image(halves / place, RED)
    for up in (halves, halves / "Train", halves / "Train" / "red"):
        (halves / "Train" / "red" / "more" / f"up {up.name}").symlink_to(up)
    data = read(halves, console)
    assert data.classes == ("blue", "red")
    assert len(data.train) + len(data.validation) == 13
    lines = said(console).splitlines()
    assert lines[:3] == [
        f"not used: 1 image beside the folders of classes, such as {halves}/Train/loose.png",
        f"used too: 1 file in folders below those of classes, such as {halves}/Train/red/more/and/more/0.png "
        "of class `red`",
        f"not used, beside the folders `TESTING` and `Train` in {halves}: `extra`",
    ]


def test_a_class_called_train(tmp_path: Path, console: Console) -> None:
    for name in ("bus", "train"):
        for i in range(10):
            save_image(tmp_path / name / f"{i}.png", RED)
    data = read(tmp_path, console)
    assert data.classes == ("bus", "train") and len(data.test) == 2


def test_names_of_classes_that_are_nearly_the_same(tmp_path: Path, console: Console) -> None:
    for name in ("caf\u00e9", "cafe\u0301", "Bar", "bar"):
        for i in range(10):
            save_image(tmp_path / name / f"{ascii(name)}{i}.png", RED)
    data = load(Folder(str(tmp_path)), (3, 4, 4), 3, None, 0, console)
    assert data.classes == ("Bar", "bar", "caf\u00e9")
    assert len(data.train) + len(data.validation) + len(data.test) == 40
    assert f"classes in {tmp_path} that differ in capitals only: `Bar`, `bar`" in said(console)


def test_splits_have_the_proportions_of_the_classes(tmp_path: Path, console: Console) -> None:
    for name, count in (("many", 60), ("few", 20), ("rare", 1)):
        for i in range(count):
            save_image(tmp_path / "images" / name / f"{i}.png", (i, 0, 0))
    data = load(Folder(str(tmp_path / "images")), (3, 4, 4), 3, 9, 0, console)
    counts = [part.labels.bincount(minlength=3).tolist() for part in (data.train, data.validation, data.test)]
    assert data.classes == ("few", "many", "rare")
    assert counts == [[16, 47, 1], [2, 7, 0], [2, 6, 0]]
    assert "no test images of class `rare`" in said(console)
    with pytest.raises(RunError, match="71 of 73 images can't be split off"):
        load(Folder(str(tmp_path / "images")), (3, 4, 4), 3, 71, 0, console)


def test_runs_of_before_keep_their_split(tmp_path: Path, console: Console) -> None:
    """The numbers are those of netdsl 0.4."""
    for name in ("a", "b"):
        for i in range(12):
            save_image(tmp_path / name / f"{i:02}.png", (10 * i, 100 * (name == "b"), 0))
    (tmp_path / "a" / "03.png").write_text("broken")
    data = load(Folder(str(tmp_path)), (3, 1, 1), 2, 3, 5, console, rules=1)
    red = [pixels(part)[:, 0].flatten().tolist() for part in (data.validation, data.test)]
    assert red == [[20, 20, 60], [50, 80]]
    assert data.fingerprint() == "acf9d5f0f4a425c8247905b3a6bae2b6"


def test_how_images_are_fitted_is_said(halves: Path, console: Console) -> None:
    def fitted(*shape: int) -> str:
        return folder.read(str(halves), shape, console, None, None, 2).conversion

    assert fitted(3, 10, 10) == ""
    assert fitted(3, 4, 4) == "16 colour images of 10x10 are converted to 3x4x4"
    Image.new("L", (20, 30)).save(halves / "train" / "red" / "gray.png")
    assert fitted(3, 10, 10) == "16 colour and 1 gray images of 10x10 to 30x20 are converted to 3x10x10"
    assert fitted(1, 10, 10) == "16 colour and 1 gray images of 10x10 to 30x20 are converted to 1x10x10"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_and_files_that_may_not_be_read(halves: Path, console: Console) -> None:
    (halves / "train" / "red" / "0.png").chmod(0)
    read(halves, console)
    assert "left out, no permission to read it" in said(console)
    for mode in (0o600, 0o000):
        (halves / "train" / "red").chmod(mode)
        with pytest.raises(RunError):
            read(halves, console)
    (halves / "train" / "red").chmod(0o700)


def test_no_test_image_is_left(halves: Path, console: Console) -> None:
    for file in (halves / "test").rglob("*.png"):
        file.write_bytes(b"broken")
    with pytest.raises(RunError, match="no readable image for test"):
        read(halves, console)
