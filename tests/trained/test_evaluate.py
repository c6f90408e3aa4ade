"""A run's weights see images as they did in training, whatever became of the data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from netdsl.runtime import checkpoint
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.trained.open_run import open_run
from tests.support.commands import netdsl
from tests.support.samples import save_image


def test_a_changed_folder_changes_no_result(colours: Path) -> None:
    before = netdsl("eval", "run").output
    assert "test accuracy" in before
    for i in range(100):
        save_image(colours / "images" / "train" / "red" / f"white {i}.png", (255, 255, 255))
    assert netdsl("eval", "run").output == before


def test_other_classes_are_an_error(colours: Path) -> None:
    for half in ("train", "test"):
        (colours / "images" / half / "red").rename(colours / "images" / half / "rot")
    result = netdsl("eval", "run")
    assert result.exit_code == 1
    assert "`rot` for `red`" in result.output


def test_a_folder_without_test_images_is_said_to_have_none(colours: Path) -> None:
    shown = netdsl("eval", "run", "--data", "folder:images/train")
    assert shown.exit_code == 0
    assert "no test images of their own: 4 of 40 are taken" in shown.output
    assert "of their own" not in netdsl("eval", "run").output


def test_another_number_of_classes_is_an_error(colours: Path) -> None:
    for half in ("train", "test"):
        shutil.copytree(colours / "images" / half / "red", colours / "images" / half / "rot")
    result = netdsl("eval", "run")
    assert result.exit_code == 1
    assert "the data have 3 classes, but the network was trained on 2" in result.output
    assert "`netdsl train MINE.net --weights run` trains a new head" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.clear, "has no normalisation of images: classes, deviation, mean missing"),
        (lambda said: said.pop("mean"), "mean missing"),
        (lambda said: said.update(mean="[0.5"), "is damaged"),
        (lambda said: said.update(mean="[0.5]"), "is damaged"),
        (lambda said: said.update(mean="[NaN, 0.1, 0.1]"), "is damaged"),
        (lambda said: said.update(deviation="[0.0, 0.1, 0.1]"), "is damaged"),
        (lambda said: said.update(classes='"ab"'), "is damaged"),
        (lambda said: said.update(classes='["a"]'), "3 channels and 1 classes"),
        (lambda said: said.update(mean="[0.5]", deviation="[0.5]"), "1 channels and 2 classes"),
    ],
)
def test_weights_that_do_not_say(change, message, colours: Path) -> None:  # type: ignore[no-untyped-def]
    path = colours / "run" / "best.safetensors"
    said = checkpoint.metadata(path)
    change(said)
    checkpoint.save(path, checkpoint.load(path), said)
    for arguments in (("eval", "run"), ("predict", "run", "images/test/red")):
        result = netdsl(*arguments)
        assert result.exit_code == 1
        assert message in result.output and "best.safetensors" in result.output


def test_numbers_survive_to_the_last_bit(tmp_path: Path) -> None:
    values = torch.cat([torch.rand(200), torch.tensor([1e-45, 1 / 3, 3e38])])
    exact = tuple(values.tolist())
    written = Preprocessing(("a", 'quo"te', "ünï\n"), exact, exact)
    checkpoint.save(tmp_path / "w.safetensors", {"w": torch.zeros(1)}, written.metadata())
    read = Preprocessing.read(tmp_path / "w.safetensors")
    assert read.classes == written.classes
    positive = torch.tensor(read.mean)
    assert torch.equal(positive, values)


def test_best_and_last_weights_both_say(trained: Path) -> None:
    for style in ("module", "functional", "sequential"):
        run = open_run(trained / style)
        assert run.preprocessing("best") == run.preprocessing("last")
        assert run.preprocessing("best").classes == tuple("0123456789")


def test_a_report_is_left(trained: Path) -> None:
    report = json.loads((trained / "module" / "report.json").read_text())
    assert f"test accuracy {report['test_accuracy']:.2%}" in netdsl("eval", trained / "module").output


def test_classes_and_the_confusion_matrix(trained: Path, tmp_path: Path) -> None:
    shown = netdsl("eval", trained / "module", "--format", "json", "-o", tmp_path / "scores")
    assert shown.exit_code == 0, shown.output
    record = json.loads(shown.stdout)
    confusion = torch.tensor(record["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(record["accuracy"])
    assert confusion.sum() == record["images"] == sum(each["images"] for each in record["classes"])
    shares = [each["accuracy"] for each in record["classes"]]
    assert shares == pytest.approx((confusion.diag() / confusion.sum(1)).tolist())
    assert [file.name for file in (tmp_path / "scores").iterdir()] == ["confusion.png"]
    table = netdsl("eval", trained / "module").output.splitlines()
    assert table[2].split() == ["class", "images", "accuracy"] and len(table) == 13
