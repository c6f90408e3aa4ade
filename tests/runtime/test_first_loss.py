from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from rich.console import Console

from netdsl.language.recipe import CrossEntropy, Recipe, Sgd
from netdsl.runtime.errors import Diverged
from netdsl.runtime.first_loss import complaint
from netdsl.runtime.model import Model
from netdsl.runtime.run_files import HOW, Run
from netdsl.runtime.train import train
from tests.support.samples import FP32, dataset, said, tiny

RECIPE = Recipe(epochs=2, batch=16, optimizer=Sgd(lr=0.01))


def hot(factor: float) -> Model:
    """A network whose last layer starts too large."""
    model = tiny()
    with torch.no_grad():
        model.parameters[-2].mul_(factor)
    return model


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (math.log(10), None),
        (1.9 * math.log(10), None),
        (3.1 * math.log(10), "too large at the start"),
        (0.4 * math.log(10), "too small for untrained weights"),
        (math.nan, "too large at the start"),
    ],
)
def test_losses_far_from_guessing(loss: float, expected: str | None) -> None:
    found = complaint(loss, 10)
    assert found is None if expected is None else found is not None and expected in found[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_good_start_is_recorded_and_not_spoken_of(
    smoothing: float, tmp_path: Path, console: Console
) -> None:
    model = tiny()
    with torch.no_grad():  # A network that guesses: its loss is ln 2, smoothed or not.
        model.parameters[-2].zero_()
        model.parameters[-1].zero_()
    recipe = Recipe(epochs=1, batch=16, optimizer=Sgd(lr=0.01), loss=CrossEntropy(smoothing))
    train(model, dataset(), recipe, Run(tmp_path), FP32, console)
    how = json.loads((tmp_path / HOW).read_text())
    assert how["first_loss"] == pytest.approx(math.log(2)) == pytest.approx(how["guessing_loss"])
    assert "warning" not in said(console)


def test_a_bad_start_is_warned_of_once(tmp_path: Path, console: Console) -> None:
    train(hot(100), dataset(), RECIPE, Run(tmp_path), FP32, console)
    how = json.loads((tmp_path / HOW).read_text())
    assert said(console).count("warning: the first loss is") == 1
    assert f"{how['first_loss']:.4g}, that of guessing among 2 classes 0.6931" in said(console)
    assert "init kaiming" in said(console)


def test_a_run_that_diverges_at_once_still_says_how_it_began(tmp_path: Path, console: Console) -> None:
    recipe = Recipe(epochs=1, batch=16, optimizer=Sgd(lr=1e30))
    with pytest.raises(Diverged):
        train(hot(100), dataset(), recipe, Run(tmp_path), FP32, console)
    assert "warning: the first loss is" in said(console)
