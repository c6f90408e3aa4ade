"""Images that stay in their files give the same training as images in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console

from netdsl.language.recipe import Crop, Digits, Flip, Folder, Recipe, Sgd
from netdsl.runtime import checkpoint, decode
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError
from netdsl.runtime.image_files import Files
from netdsl.runtime.images import moments
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.train import train
from tests.support.samples import FP32, colours, load, pixels, said, save_image, tiny

RECIPE = Recipe(epochs=2, batch=16, optimizer=Sgd(lr=0.1, momentum=0.9), augment=(Flip(), Crop(1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """120 images of two classes, each of its own size and colour."""
    chance = torch.Generator().manual_seed(0)
    for i in range(60):
        for name, strong in (("red", 0), ("blue", 2)):
            colour = torch.randint(0, 150, (3,), generator=chance).tolist()
            colour[strong] += 100
            save_image(
                tmp_path / "images" / name / f"{i:02d}.png", (colour[0], colour[1], colour[2]), 6 + i % 7
            )
    return tmp_path / "images"


def read(folder: Path, console: Console, stream: bool) -> Dataset:
    return load(Folder(str(folder)), (3, 8, 8), 2, None, 0, console, stream=stream)


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_images_train_to_the_same_bits(
    workers: int, folder: Path, tmp_path: Path, console: Console
) -> None:
    states = []
    for stream in (False, True):
        data, run = read(folder, console, stream), Run(tmp_path / f"run {stream}")
        assert isinstance(data.train.images, Files) is stream
        report = train(tiny(), data, RECIPE, run, FP32, console, SpeedRequest(compile="off", workers=workers))
        states.append(
            (checkpoint.load(run.folder / "last.safetensors"), report.test["loss"], data.fingerprint())
        )
    (memory, *others), (streamed, *streamed_others) = states
    assert others == streamed_others
    assert all(torch.equal(memory[name], streamed[name]) for name in memory)


def test_statistics_are_the_same_and_kept(
    folder: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "red" / "broken.png").write_text("no image")
    memory, streamed = read(folder, console, False), read(folder, console, True)
    assert torch.equal(memory.mean, streamed.mean) and torch.equal(memory.deviation, streamed.deviation)
    assert said(console).count("broken.png") == 2
    monkeypatch.delattr(decode, "decode_one")  # From the cache.
    assert torch.equal(read(folder, console, True).mean, memory.mean)


def test_folders_that_need_more_than_their_room_are_streamed(folder: Path, console: Console) -> None:
    def streamed(room: int | None) -> bool:
        data = load(Folder(str(folder)), (3, 8, 8), 2, None, 0, console, room=room)
        return isinstance(data.train.images, Files)

    needed = 2 * 120 * 3 * 8 * 8
    assert [streamed(room) for room in (None, needed, needed - 1)] == [False, False, True]
    with pytest.raises(RunError, match="only the images of a folder"):
        load(Digits(), (1, 8, 8), 10, None, 0, console, stream=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_vanishes_is_named(
    workers: int, folder: Path, tmp_path: Path, console: Console
) -> None:
    data = read(folder, console, True)
    (folder / "red" / "07.png").unlink()
    with pytest.raises(RunError, match=r"red/07\.png can't be read any more") as raised:
        train(
            tiny(),
            data,
            RECIPE,
            Run(tmp_path / "run"),
            FP32,
            console,
            SpeedRequest(compile="off", workers=workers),
        )
    assert "--resume" in raised.value.help


def test_moments_are_sums() -> None:
    images = pixels(colours(2001, 0))
    floats = images.double()
    expected = torch.stack((floats.sum((2, 3)), (floats**2).sum((2, 3))), 2)
    assert torch.equal(moments(images).double(), expected)
    white = torch.full((1, 1, 300, 300), 255, dtype=torch.uint8)
    assert moments(white).tolist() == [[[255 * 90_000, 255**2 * 90_000]]]
