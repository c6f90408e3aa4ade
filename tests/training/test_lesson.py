from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from netdsl.training import lesson
from netdsl.training.results import RunResult
from tests.support.commands import netdsl


def test_the_lesson_shows_what_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesson, "RATES", ("0.01", "1e17"))
    options = ("--data", "digits", "--images", 100, "--epochs", 2, "--validation", 50, "--device", "cpu")
    result = netdsl("lesson", "batch-norm", *options)
    assert result.exit_code == 0, result.output
    folder = Path("runs/batch-norm")
    networks = json.loads((folder / "experiment.json").read_text())["networks"]
    assert [network["name"] for network in networks] == [
        "with-batch-norm-lr-0.01",
        "without-lr-0.01",
        "with-batch-norm-lr-1e17",
        "without-lr-1e17",
    ]
    errors = [network["runs"][0]["error"] for network in networks]
    assert errors[0] is errors[1] is None and errors[3] is not None
    assert "without-lr-1e17-seed0 failed" in result.output
    width, height = Image.open(folder / "batch-norm.png").size
    assert width > height

    curve = lesson._curve(folder, "without", _run(errors[3]), "training")
    assert curve.label == "without: diverged in epoch 1" and not curve.epochs


def _run(error: str) -> RunResult:
    return RunResult("without-lr-1e17-seed0", 0, error=error)


def test_wrong_options_are_errors() -> None:
    assert "it must be" in netdsl("lesson", "batch-norm", "--epochs", "0").output
    assert netdsl("lesson", "batch-norm", "--images", "0", "--data", "digits").exit_code == 1
    assert netdsl("lesson", "batch-norm", "--batches", "3").exit_code == 2
