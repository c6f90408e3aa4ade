"""A training does what its recipe says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from netdsl.language.recipe import Crop, Ema, Flip, FlipView, Lookahead, Muon, NoAverage, Recipe, Sgd
from netdsl.runtime import checkpoint, metrics
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.model import FunctionalModel, create
from netdsl.runtime.run_files import Run
from netdsl.runtime.train import train
from tests.support.samples import CPU, FP32, dataset, tiny

RECIPE = Recipe(epochs=2, batch=16, optimizer=Sgd(lr=0.1, momentum=0.9), augment=(Flip(alternating=True),))


def convolution() -> FunctionalModel:
    """A network without batch norm: its images don't see each other."""
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=generator) / 5 for shape in ((8, 3, 3, 3), (2, 8))]

    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        return F.linear(F.conv2d(x, params[0]).relu().mean((2, 3)), params[1])

    return FunctionalModel(forward, [p.requires_grad_() for p in params])


def weights(run: Path, recipe: Recipe, console: Console) -> dict[str, Tensor]:
    train(tiny(), dataset(), recipe, Run(run), FP32, console)
    return checkpoint.load(run / "last.safetensors")


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("parts", [3, 4, 16])
def test_a_batch_in_parts_is_the_same_step(parts: int, tmp_path: Path, console: Console) -> None:
    states = []
    for accumulate in (1, parts):
        run, recipe = tmp_path / str(accumulate), replace(RECIPE, accumulate=accumulate)
        train(convolution(), dataset(), recipe, Run(run), FP32, console)
        states.append(checkpoint.load(run / "last.safetensors"))
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-4, atol=1e-5)
    rows = [metrics.read(tmp_path / run) for run in ("1", str(parts))]
    assert [row.loss for row in rows[1]] == pytest.approx([row.loss for row in rows[0]], rel=1e-5)


def test_averages_without_memory_are_the_weights(tmp_path: Path, console: Console) -> None:
    plain = weights(tmp_path / "plain", RECIPE, console)
    for average in (Ema(decay=0), Lookahead(every=1, alpha=1)):
        recipe = replace(RECIPE, average=average)
        assert equal(weights(tmp_path / type(average).__name__, recipe, console), plain)


def test_what_is_saved_and_tested_is_the_average(tmp_path: Path, console: Console) -> None:
    runs: dict[str, dict[str, Tensor]] = {}
    for average in (NoAverage(), Ema(decay=0.9)):
        name = type(average).__name__
        runs[name] = weights(tmp_path / name, replace(RECIPE, average=average), console)
    assert not equal(*runs.values())
    # The training itself doesn't know of it.
    losses = [[row.loss for row in metrics.read(tmp_path / name)] for name in runs]
    assert losses[0] == losses[1]
    saved = tiny()
    saved.load_state(runs["Ema"])
    data, last = dataset(), metrics.read(tmp_path / "Ema")[-1]
    assert evaluate(saved, data, data.validation, FP32)["loss"] == last.validation_loss


def test_flips_at_test_time(tmp_path: Path, console: Console) -> None:
    model, data = tiny(), dataset()
    report = train(model, data, replace(RECIPE, tta=(FlipView(),)), Run(tmp_path), FP32, console)
    assert report.test["loss"] == evaluate(model, data, data.test, FP32, views=[FlipView()])["loss"]
    assert report.test["loss"] != evaluate(model, data, data.test, FP32)["loss"]


class Deep(nn.Sequential):
    """A hidden convolution between the first and the last layer."""

    def __init__(self) -> None:
        convs = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
        super().__init__(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def test_muon_trains(tmp_path: Path, console: Console) -> None:
    model = create({"Deep": Deep}, "module", "Deep", 0, CPU, torch.channels_last)
    recipe = replace(RECIPE, epochs=4, optimizer=Muon(adamw_lr=1e-2))
    report = train(model, dataset(), recipe, Run(tmp_path), FP32, console)
    assert report.test_score > 0.9


def test_too_much_reflection_is_said_before_the_first_step(tmp_path: Path, console: Console) -> None:
    with pytest.raises(RunError, match="image of 8x8"):
        train(tiny(), dataset(), replace(RECIPE, augment=(Crop(8, "reflect"),)), Run(tmp_path), FP32, console)
    assert not any(tmp_path.iterdir())
