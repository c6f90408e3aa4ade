"""Several processes compute what one does."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from netdsl.language.recipe import Crop, CutMix, Ema, Flip, Jitter, MixUp, Muon, Recipe, Sgd
from netdsl.runtime import distributed
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE, Processes, joined
from netdsl.runtime.errors import Elsewhere
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.images import Split
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.model import FunctionalModel, Model, ModuleModel
from netdsl.runtime.optim import Rates
from netdsl.runtime.run_files import CHECKPOINT, Run
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.train import Report, Training
from netdsl.runtime.train_step import TrainStep, Tuning
from tests.support.processes import Pair, pair

# 97 images: six batches of 16, the last one with an image more. Two processes share it as 9 and 8.
RECIPE = Recipe(epochs=2, batch=16, optimizer=Sgd(lr=0.1, momentum=0.9), augment=(Flip(), Crop(2)))


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    with pair() as processes:
        yield processes


def images(count: int, seed: int) -> Split:
    """Noise, brighter in the second class."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 200, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    return Split.of(pixels + 40 * labels[:, None, None, None].to(torch.uint8), labels)


def dataset(test: int = 31) -> Dataset:
    return Dataset.of(images(97, 0), images(21, 1), images(test, 2), ("dark", "bright"))


class Net(nn.Module):
    """A convolution, a hidden layer and, where asked for, a batch norm after each."""

    def __init__(self, norms: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8) if norms else nn.Identity()
        self.hidden = nn.Linear(8, 8)
        self.flat = nn.BatchNorm1d(8, momentum=0.3, affine=False) if norms else nn.Identity()
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu().mean((2, 3))
        logits: Tensor = self.fc(self.flat(self.hidden(x)).relu())
        return logits


Kind = Literal["plain", "norms", "functional", "functional norms"]


def network(kind: Kind) -> Model:
    torch.manual_seed(0)
    if not kind.startswith("functional"):
        return ModuleModel(Net(norms=kind == "norms"))
    params = [(torch.randn(shape) / 5).requires_grad_() for shape in ((8, 3, 3, 3), (2, 8))]
    buffers = [torch.zeros(8), torch.ones(8)] if kind == "functional norms" else None

    def forward(
        x: Tensor, params: list[Tensor], buffers: list[Tensor] | None = None, training: bool = True
    ) -> Tensor:
        x = F.conv2d(x, params[0])
        if buffers:
            x = F.batch_norm(x, buffers[0], buffers[1], training=training)
        return F.linear(x.relu().mean((2, 3)), params[1])

    return FunctionalModel(forward, params, buffers)


class Outcome(NamedTuple):
    """The results of a training, equal in all processes; `weights` are the last, with running statistics."""

    weights: dict[str, Tensor]
    rows: list[Metrics]
    report: Report


def trained(
    processes: Processes,
    folder: Path,
    model: Kind | Model,
    recipe: Recipe,
    batch_norm: str = "local",
    data: Dataset | None = None,
    resumed: bool = False,
    tuning: Tuning | None = None,
) -> Outcome:
    model = network(model) if isinstance(model, str) else model
    run = Run(folder, processes=processes)
    if resumed:
        found = Checkpoint.read(folder / CHECKPOINT)
        run, progress = Run.resumed(folder, found, processes)
    request = SpeedRequest(compile="off", batch_norm=batch_norm)
    console = Console(file=io.StringIO())
    data = data or dataset()
    training = Training(model, data, recipe, run, speed(), console, request, None, tuning)
    if resumed:
        training.restore(found, progress)
    report = training.train()
    return Outcome({name: tensor.detach().clone() for name, tensor in run.best.items()}, run.rows, report)


def speed() -> Speed:
    return choose(SpeedRequest(device="cpu", precision="fp32"), ())


@pytest.mark.parametrize(
    ("kind", "batch_norm", "recipe"),
    [
        ("plain", "local", RECIPE),
        ("plain", "local", replace(RECIPE, accumulate=3, optimizer=Muon(lr=0.02))),
        ("functional", "local", replace(RECIPE, accumulate=3)),
        ("plain", "local", replace(RECIPE, augment=(MixUp(1.0), CutMix()))),
        ("plain", "local", replace(RECIPE, sampling="balanced", augment=(Jitter(), MixUp()))),
        ("norms", "sync", RECIPE),
        ("norms", "sync", replace(RECIPE, accumulate=3, average=Ema(0.9), batch=15)),
    ],
)
def test_two_processes_come_to_the_result_of_one(
    kind: Kind, batch_norm: str, recipe: Recipe, both: Pair, tmp_path: Path
) -> None:
    alone = trained(ALONE, tmp_path / "alone", kind, recipe)
    first, second = both(trained, tmp_path / "both", kind, recipe, batch_norm)
    for name, tensor in alone.weights.items():
        torch.testing.assert_close(first.weights[name], tensor, rtol=1e-3, atol=1e-5)
        assert torch.equal(first.weights[name], second.weights[name])
    for row, expected in zip(first.rows, alone.rows, strict=True):
        assert row.loss == pytest.approx(expected.loss, rel=1e-4)
        assert row.figures == expected.figures
        assert row.validation_loss == pytest.approx(expected.validation_loss, rel=1e-4)
    assert first.report.test_score == alone.report.test_score
    assert first.report.test["loss"] == pytest.approx(second.report.test["loss"], rel=1e-6)


def test_two_processes_tune_what_one_does(both: Pair, tmp_path: Path) -> None:
    """A frozen convolution with its norm, a slow hidden layer, and a new head."""
    tuning = Tuning([Rates(lr) for lr in (0, 0, 0, 0, 0.1, 0.1, 1, 1)], (True, False))
    options = (replace(RECIPE, augment=(MixUp(),)), "sync", None, False, tuning)
    alone = trained(ALONE, tmp_path / "alone", "norms", *options)
    first, second = both(trained, tmp_path / "both", "norms", *options)
    before = network("norms").state()
    for name, tensor in alone.weights.items():
        torch.testing.assert_close(first.weights[name], tensor, rtol=1e-3, atol=1e-5)
        assert torch.equal(first.weights[name], second.weights[name])
        assert torch.equal(tensor, before[name]) == name.startswith(("conv", "norm")), name


@pytest.mark.parametrize("kind", ["norms", "functional norms"])
def test_local_batch_norm_leaves_the_statistics_of_the_first_process(
    kind: Kind, both: Pair, tmp_path: Path
) -> None:
    alone = trained(ALONE, tmp_path / "alone", kind, RECIPE)
    first, second = both(trained, tmp_path / "both", kind, RECIPE)
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    statistics = "norm.running_mean" if kind == "norms" else "buffers.000"
    assert not torch.allclose(first.weights[statistics], alone.weights[statistics], rtol=1e-3)
    assert [row.validation_loss for row in first.rows] == [row.validation_loss for row in second.rows]
    files = {path.name for path in (tmp_path / "both").iterdir()}
    assert files == {path.name for path in (tmp_path / "alone").iterdir()}


def test_functional_batch_norm_cannot_be_synchronised(both: Pair, tmp_path: Path) -> None:
    for error in both(trained, tmp_path, "functional norms", RECIPE, "sync"):
        assert "can't be synchronised" in error.message and "--style module" in error.help


def test_a_batch_too_small_to_share(both: Pair, tmp_path: Path) -> None:
    for error in both(trained, tmp_path, "plain", replace(RECIPE, batch=3)):
        assert error.message.startswith("a batch of 3 images can't be shared by 2 processes")


def test_fewer_test_images_than_processes(both: Pair, tmp_path: Path) -> None:
    data = dataset(test=1)
    first, second = both(trained, tmp_path, "plain", RECIPE, "local", data)
    assert first.report.test["loss"] == second.report.test["loss"]
    model = network("plain")
    model.load_state(first.weights)
    alone = evaluate(model, data, data.test, speed())
    assert first.report.test["loss"] == pytest.approx(alone["loss"], rel=1e-5)


def gradients(processes: Processes) -> list[tuple[Any, ...]]:
    """The layouts of weights and gradients after two steps: the second is with rebuilt buckets."""
    model = ModuleModel(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3, bias=False), nn.Flatten()))
    model.to(torch.device("cpu"), torch.channels_last)
    train_step = TrainStep(model, replace(RECIPE, accumulate=2), speed(), processes)
    layouts = []
    for _ in range(2):
        images = torch.rand(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
        train_step.gradients(images, torch.zeros(4, dtype=torch.int64), 8)
        for weight in model.parameters:
            assert weight.grad is not None
            layouts.append((weight.stride(), weight.grad.stride(), weight.grad.sum().item()))
        train_step.optimizer.step(0.1)
    return layouts


def test_gradients_lie_like_their_weights(both: Pair) -> None:
    first, second = both(gradients)
    assert first == second
    assert all(weight == gradient for weight, gradient, _ in first)
    assert (27, 1, 9, 3) in {weight for weight, _, _ in first}  # channels last


class Failing(Net):
    """Gives a loss that isn't a number in the second process, in one step."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits * float("nan") if dist.get_rank() == 1 else logits


def failing(processes: Processes, folder: Path) -> Outcome:
    return trained(processes, folder, ModuleModel(Failing(norms=False)), RECIPE)


def test_a_loss_that_is_not_finite_stops_all(both: Pair, tmp_path: Path) -> None:
    for error in both(failing, tmp_path):
        assert error.message == "the loss is nan at step 1 of epoch 1"


class Stopped(Net):
    """Gets a signal in its forward pass: the second process in the third one, the first in a later one."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == (3 if dist.get_rank() == 1 else 9):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().forward(x)


def stopped(processes: Processes, folder: Path) -> Outcome:
    torch.manual_seed(0)
    return trained(processes, folder, ModuleModel(Stopped(norms=True)), RECIPE)


def test_a_signal_to_one_stops_all_and_the_run_goes_on(both: Pair, tmp_path: Path) -> None:
    one, other = both(stopped, tmp_path / "stopped")
    assert one == other and one.status == 128 + signal.SIGTERM
    _, progress = Run.resumed(tmp_path, Checkpoint.read(tmp_path / "stopped" / CHECKPOINT))
    assert (progress.epoch, progress.steps) != (0, 0)
    arguments = "norms", RECIPE, "local", None
    whole, _ = both(trained, tmp_path / "whole", *arguments)
    first, second = both(trained, tmp_path / "stopped", *arguments, True)
    for name, tensor in whole.weights.items():
        assert torch.equal(first.weights[name], tensor) and torch.equal(second.weights[name], tensor)
    assert [row.loss for row in first.rows] == pytest.approx([row.loss for row in whole.rows])
    assert [row.validation_loss for row in first.rows] == [row.validation_loss for row in whole.rows]


def test_one_process_goes_on_with_the_run_of_two(both: Pair, tmp_path: Path) -> None:
    both(stopped, tmp_path)
    assert trained(ALONE, tmp_path, "norms", RECIPE, resumed=True).rows[-1].epoch == 2


def exchanged(processes: Processes) -> tuple[float, list[int], str, list[float]]:
    adopted = torch.full((2,), float(processes.rank))
    processes.adopt([adopted])
    return (
        processes.largest(processes.rank),
        processes.gathered(processes.rank),
        processes.broadcast(f"{processes.rank}"),
        adopted.tolist(),
    )


def test_what_processes_tell_each_other(both: Pair) -> None:
    assert both(exchanged) == [(1, [0, 1], "0", [0, 0])] * 2
    assert exchanged(ALONE) == (0, [0], "0", [0, 0])


def test_shares_are_all_of_a_batch() -> None:
    group = [Processes(rank, 3) for rank in range(3)]
    assert sorted(torch.cat([one.share(torch.arange(11)) for one in group]).tolist()) == list(range(11))
    assert [one.count(11) for one in group] == [4, 4, 3]


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in ({}, {"RANK": "0", "WORLD_SIZE": "1"}):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with joined() as processes:
            assert processes is ALONE


class LostStore:
    """A store whose process has ended."""

    def add(self, key: str, amount: int) -> int:
        raise dist.DistNetworkError("recvValue failed")


def test_without_a_store_who_lost_the_others_speaks() -> None:
    second, lost, other = Processes(1, 2), RuntimeError("[pair.cc:561] gloo: GLHF!"), ValueError("own")
    distributed._require_first_to_fail(LostStore(), lost, second)  # type: ignore[arg-type]
    with pytest.raises(Elsewhere):
        distributed._require_first_to_fail(LostStore(), other, second)  # type: ignore[arg-type]
    distributed._require_first_to_fail(LostStore(), other, Processes(0, 2))  # type: ignore[arg-type]
