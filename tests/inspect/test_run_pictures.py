"""What a finished run leaves: pictures of its confusions, mistakes and first batch."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from netdsl.runtime import report
from netdsl.trained import open_run
from tests.support.commands import netdsl

NETWORK = """\
network tiny
input 1x8x8
classes 10
layers { conv(4, 3), relu, flatten, linear(classes) }
train {
  data digits
  images 100
  epochs 1
  augment crop(1), mixup
}
"""
FP32 = ("--device", "cpu", "--precision", "fp32", "--compile", "off", "--run", "run")
PICTURES = {"curves.png", "confusion.png", "mistakes.png", "batch.png"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NETDSL_PICTURES")
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(NETWORK)
    return tmp_path


def pictures() -> set[str]:
    return {path.name for path in Path("run").glob("*.png")}


def test_a_finished_run_has_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_again(*args: object) -> None:
        raise AssertionError("the data are in memory")

    import_module("netdsl.training.dataset_cache")  # which takes `divide` before it is replaced
    monkeypatch.setattr(open_run, "divide", read_again)
    result = netdsl("train", "tiny.net", *FP32)
    assert result.exit_code == 0 and "warning" not in result.output, result.output
    assert pictures() == PICTURES


def test_a_picture_that_fails_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError("no font")

    monkeypatch.setattr("netdsl.inspect.run_pictures.write_first_batch", fail)
    result = netdsl("train", "tiny.net", *FP32)
    assert result.exit_code == 0, result.output
    assert "warning: not all pictures of the run are drawn: no font" in result.output
    assert "try `netdsl report run`" in result.output
    assert report.read(Path("run")) is not None
    assert pictures() == PICTURES - {"batch.png"}


def test_a_detector_has_pictures() -> None:
    options = ("--epochs", 1, "--images", 40, "--batch", 20, "--data", "scenes(40)")
    result = netdsl("train", "scenes_fcos", *FP32, *options)
    assert result.exit_code == 0 and "not all pictures" not in result.output, result.output
    assert pictures() == {"curves.png", "confusion.png", "precision_recall.png", "batch.png"}


def test_without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_PICTURES", "no")
    assert netdsl("train", "tiny.net", *FP32).exit_code == 0
    assert pictures() == {"curves.png"}
