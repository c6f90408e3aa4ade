"""`fp16`: losses are scaled, gradients are not, and the scale is part of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from netdsl.language.recipe import AdamW, Muon, Optimizers, Recipe, Sgd
from netdsl.runtime import speed
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep

FP16 = choose(SpeedRequest(device="cpu", precision="fp16"), ())
FP32 = choose(SpeedRequest(device="cpu", precision="fp32"), ())
OPTIMIZERS: list[Optimizers] = [Sgd(lr=0.1, momentum=0.9), AdamW(lr=0.01), Muon(lr=0.02)]


def new_step(optimizer: Optimizers, how: Speed = FP16) -> TrainStep:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 3)
    return TrainStep(ModuleModel(nn.Sequential(*layers)), Recipe(optimizer=optimizer), how, ALONE)


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and classes."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        yield torch.rand(6, 1, 8, 8, generator=generator), torch.randint(3, (6,), generator=generator)


def gradients(train_step: TrainStep) -> list[Tensor]:
    return [weight.grad for weight in train_step.model.parameters if weight.grad is not None]


def advance(train_step: TrainStep, images: Tensor, labels: Tensor) -> None:
    train_step.gradients(images, labels, len(images))
    train_step.optimizer.step(train_step.recipe.optimizer.lr)


@pytest.fixture
def quick_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scale that doubles after three steps, and is too large at first."""

    def scaler(self: Speed) -> torch.GradScaler | None:
        if self.precision != "fp16":
            return None
        return torch.GradScaler("cpu", init_scale=2.0**24, growth_interval=3)

    monkeypatch.setattr(Speed, "gradient_scaler", scaler)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_gradients_are_those_of_fp32_but_for_rounding(optimizer: Optimizers) -> None:
    half, whole = new_step(optimizer), new_step(optimizer, FP32)
    for images, labels in batches(1):
        for train_step in (half, whole):
            train_step.gradients(images, labels, len(images))
    scale = half.optimizer.gradient_scale
    assert scale == 65536 and whole.optimizer.gradient_scale == 1
    for own, other in zip(half.model.parameters, whole.model.parameters, strict=True):
        assert own.grad is not None and other.grad is not None and own.dtype == torch.float32
        torch.testing.assert_close(own.grad / scale, other.grad, rtol=0.02, atol=1e-3)


def test_tiny_gradients_are_kept_by_the_scale() -> None:
    train_step = new_step(Sgd(lr=1.0))
    (images, labels), *_ = batches(1)
    # 2 ** -30 of a loss: its gradient is 0 in float16.
    train_step.task = _Tiny(train_step.task)  # type: ignore[assignment]
    train_step.gradients(images, labels, len(images))
    assert all(gradient.abs().max() > 0 for gradient in gradients(train_step))


class _Tiny:
    """A task whose losses are tiny."""

    def __init__(self, task: object) -> None:
        self._task = task

    def __getattr__(self, name: str) -> object:
        return getattr(self._task, name)

    def objective(self, outputs: object, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss, figures = self._task.objective(outputs, targets)  # type: ignore[attr-defined]
        return loss * 2**-26, figures


@pytest.mark.usefixtures("quick_scale")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_overflows_changes_nothing_and_lowers_the_scale(optimizer: Optimizers) -> None:
    train_step = new_step(optimizer)
    before = {name: tensor.clone() for name, tensor in train_step.model.state().items()}
    (images, labels), *_ = batches(1)
    train_step.gradients(images, labels, len(images))
    assert not all(bool(gradient.isfinite().all()) for gradient in gradients(train_step))
    train_step.optimizer.step(0.1)
    after = train_step.model.state()
    assert train_step.optimizer.gradient_scale == 2.0**23
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.usefixtures("quick_scale")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_continues_from_its_state_bit_for_bit(optimizer: Optimizers) -> None:
    whole = new_step(optimizer)
    scales = set()
    for number, (images, labels) in enumerate(batches(30)):
        if number == 19:
            kept = {name: tensor.clone() for name, tensor in whole.state().items()}
        advance(whole, images, labels)
        scales.add(whole.optimizer.gradient_scale)
    assert len(scales) > 3
    resumed = new_step(optimizer)
    resumed.load(Checkpoint(kept, {}))
    for images, labels in list(batches(30))[19:]:
        advance(resumed, images, labels)
    one, other = whole.state(), resumed.state()
    assert one.keys() == other.keys() and "scaler.scale" in one
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_of_another_precision_begins_with_a_new_scale() -> None:
    before = new_step(OPTIMIZERS[0], FP32)
    assert not any(name.startswith("scaler") for name in before.state())
    after = new_step(OPTIMIZERS[0])
    after.load(Checkpoint(before.state(), {}))
    assert after.optimizer.gradient_scale == 65536
    back = new_step(OPTIMIZERS[0], FP32)
    back.load(Checkpoint(after.state(), {}))


@pytest.mark.parametrize(("native", "capability", "chosen"), [
    (True, (8, 0), "bf16"), (False, (7, 5), "fp16"), (False, (6, 1), "fp32"),
])  # fmt: skip
def test_auto_on_gpus(
    native: bool, capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose(SpeedRequest(), ()).precision == chosen


def test_apples_gpus_are_used_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="MPS"):
        choose(SpeedRequest(device="mps"), ())
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = choose(SpeedRequest(device="mps"), ())
    assert (found.device.type, found.precision) == ("mps", "fp32")
    assert choose(SpeedRequest(), ()).device.type == "cpu"
    assert speed.has_bf16(found.device) is False
