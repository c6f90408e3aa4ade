"""Data sets of whole runs: what is said at their start, and what becomes of them when images change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from netdsl.runtime.distributed import Processes
from netdsl.runtime.loop import Progress
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.run_files import Run
from tests.support.commands import netdsl
from tests.support.samples import save_image

CPU = ("--device", "cpu", "--precision", "fp32", "--compile", "off", "--epochs", 1, "--batch", 8)
TWO = """\
network two
input 3x8x8
classes 2
layers { conv(4, 3), relu, flatten, linear(classes) }
"""


@pytest.fixture
def images(place: Path) -> Path:
    """Twenty images of each of two classes, in one folder."""
    for i in range(20):
        save_image(place / "images" / "red" / f"{i:02}.png", (200 + i, 0, 0))
        save_image(place / "images" / "blue" / f"{i:02}.png", (0, 0, 200 + i))
    Path("two.net").write_text(TWO)
    return place / "images"


def trained(*arguments: object) -> str:
    result = netdsl("train", "two.net", "--data", "folder:images", "--run", "run", *CPU, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_conversions_are_said_at_the_start() -> None:
    def said(shape: str) -> str:
        result = netdsl("train", "plain.net", "--input", shape, *CPU, "--images", 50, "--run", f"run-{shape}")
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[0]

    assert said("1x8x8").startswith("plain (module)")
    assert said("3x16x16") == "1,797 gray images of 8x8 are converted to 3x16x16"


def test_what_is_wrong_with_files_is_said_with_their_names(images: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0"  # cut off
    Image.new("RGB", (8, 8)).save(images / "red" / "a.jpg", exif=exif)
    (images / "red" / "b\n.jpg").write_text("no image")
    Image.new("I", (8, 8), -5).save(images / "red" / "c.tif")
    first = trained().splitlines()
    assert first[0].startswith("damaged, Corrupt EXIF data.") and first[0].endswith("images/red/a.jpg")
    assert first[1] == "left out, not an image of a known format: images/red/b\\n.jpg"
    assert first[2].startswith("left out, signed or 32-bit values from -5 to -5")
    again = netdsl("predict", "run", "images/red/a.jpg", "images/red/c.tif")
    assert again.exit_code == 1 and again.stderr.count("images/red/") == 2
    assert "a.jpg" in again.stdout and "Corrupt EXIF data" in again.stderr


def test_many_remarks_are_cut_short(images: Path) -> None:
    for i in range(60):
        (images / "red" / f"{i}.txt").touch()
    output = trained()
    assert output.count("left out, an empty file") == 50
    assert "… and 10 more, 60 left out in all" in output


def test_validation_images_of_their_own_win(images: Path) -> None:
    for part in ("train", "val", "test"):
        save_image(images.parent / "parts" / part / "blue" / "0.png")
        for i in range(8):
            save_image(images.parent / "parts" / part / "red" / f"{i}.png")
    result = netdsl("train", "two.net", "--data", "folder:parts", "--validation", 3, "--run", "run", *CPU)
    assert "the data have validation images: `validation 3` is not used" in result.output
    assert "9 training, 9 validation images" in result.output


def test_images_that_have_moved_or_changed(images: Path) -> None:
    trained()
    before = netdsl("eval", "run").output
    assert "warning" not in before
    images.rename("pictures")
    for command in (("eval", "run"), ("train", "--resume", "run", "--epochs", 2)):
        assert "`--data folder:PATH`" in netdsl(*command).output
    assert netdsl("eval", "run", "--data", "folder:pictures").output == before
    save_image(Path("pictures/red/new.png"))
    other = ("--data", "folder:pictures")
    resumed = netdsl("train", "--resume", "run", "--epochs", 2, *other)
    assert "began with: 34 training images, not 33" in resumed.output
    Path("pictures").rename(images)
    assert netdsl("eval", "run").output.startswith("warning: the images are not those of the training")


def test_a_training_in_the_folder_of_its_images(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(images)
    here = ("--data", "folder:.", *CPU)
    assert netdsl("train", "../two.net", *here).exit_code == 0
    assert netdsl("train", "--resume", "runs/two", "--epochs", 2).exit_code == 0
    assert "warning" not in netdsl("eval", "runs/two").output


def test_a_run_keeps_the_rules_by_which_it_read_its_images(images: Path) -> None:
    """A run of before 0.5, which recorded none."""
    trained()
    record = json.loads(Path("run/run.json").read_text())
    assert record.pop("rules") == 2
    Path("run/run.json").write_text(json.dumps(record))
    assert "the images are not those of the training" in netdsl("eval", "run").output  # another split
    Path("run/run.json").write_text(json.dumps(record | {"rules": 3}))
    assert "run/run.json is damaged: `rules` is 3, not one of 1, 2" in netdsl("eval", "run").output


def test_without_validation_no_weights_are_called_the_best(images: Path) -> None:
    output = trained("--validation", 0)
    assert "last weights" in output and "best" not in output
    assert "two, last weights" in netdsl("eval", "run").output


def test_of_equal_accuracies_the_lower_loss_is_better(tmp_path: Path) -> None:
    run = Run(tmp_path, processes=Processes(rank=1, size=2))
    for epoch, (loss, accuracy) in enumerate([(1.0, 0.5), (0.8, 0.5), (0.9, 0.5), (0.1, 0.4)]):
        row = Metrics(epoch + 1, 0.1, 1.0, 1.0, 1.0, {"accuracy": 0.5}, {"loss": loss, "accuracy": accuracy})
        run.finish_epoch(None, row, {"loss": torch.tensor(loss)}, Progress(epoch, 1))  # type: ignore[arg-type]
    assert run.best["loss"] == torch.tensor(0.8)


def test_a_name_that_is_too_long() -> None:
    for command in (("train", "plain.net", "--run", "x" * 300), ("eval", "x" * 300)):
        result = netdsl(*command)
        assert result.exit_code == 1 and "File name too long" in result.output
