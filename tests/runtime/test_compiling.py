"""When a training is compiled: with made-up costs, and once for real."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from netdsl.language.recipe import Recipe, Sgd
from netdsl.runtime import compiling
from netdsl.runtime.compiling import Decision, decide
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.run_files import Run
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.train import train
from netdsl.runtime.train_step import TrainStep
from tests.support.samples import FP32, dataset, tiny

RECIPE = Recipe(epochs=2, batch=16, optimizer=Sgd(lr=0.1, momentum=0.9))
EAGER, FASTER, SLOWER = 0.01, 0.002, 0.02


class Clock:
    """A time that passes only where a step is made to take some."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def unrestricted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which trials are measured."""
    clock = Clock()
    monkeypatch.setattr(compiling, "time", clock)
    return clock


def train_step(clock: Clock) -> TrainStep:
    """A training step whose steps take as long as EAGER says."""
    made = TrainStep(tiny(), RECIPE, FP32, ALONE)
    plain = made.plain_objective

    def slow(images: torch.Tensor, targets: torch.Tensor) -> Any:
        clock.sleep(EAGER)
        return plain(images, targets)

    made.objective = made.plain_objective = slow  # type: ignore[method-assign]
    return made


def compiler(clock: Clock, startup: float, step: float) -> Callable[..., Any]:
    """In place of torch.compile: code that takes its time before the first call, and for each."""

    def compile(function: Any, **options: object) -> Any:
        first = True

        def compiled(images: torch.Tensor, labels: torch.Tensor) -> Any:
            nonlocal first
            clock.sleep(startup * first + step)
            first = False
            loss = images.sum() * next(iter(compiled.model.parameters)).sum()  # type: ignore[attr-defined]
            return loss, torch.zeros(1)

        compiled.model = tiny()  # type: ignore[attr-defined]
        return compiled

    return compile


def decided(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, steps: int, startup: float, step: float
) -> Decision:
    monkeypatch.setattr(torch, "compile", compiler(clock, startup, step))
    made = train_step(clock)
    state = {name: tensor.clone() for name, tensor in made.model.state().items()}
    decision = decide(made, "auto", torch.randn(16, 3, 8, 8), steps)
    assert made.compiled == decision.on
    # A trial leaves no trace.
    assert all(torch.equal(tensor, state[name]) for name, tensor in made.model.state().items())
    assert all(parameter.grad is None for parameter in made.model.parameters)
    return decision


def test_a_trial_that_costs_too_much_of_the_training_is_not_made(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = decided(clock, monkeypatch, 100, 0, FASTER)  # 1 s is left; 6 tensors are taken for 2.4 s.
    assert not decision.on and "remain, and its start-up takes" in decision.reason


def test_what_a_trial_shows_is_done_and_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = decided(clock, monkeypatch, 10_000, 0.3, FASTER)
    assert decision.on and "saves" in decision.reason
    # Now it is known: worth it from some 40 steps on.
    decision = decided(clock, monkeypatch, 1000, 0.3, FASTER)
    assert decision.on and "saves" in decision.reason
    decision = decided(clock, monkeypatch, 10, 0.3, FASTER)
    assert not decision.on and "which 10 steps do not repay" in decision.reason


def test_code_that_is_no_faster_is_not_used(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # Tried, then remembered.
        decision = decided(clock, monkeypatch, 10_000, 0, SLOWER)
        assert not decision.on and "ms a step" in decision.reason


def test_restricted_instructions(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    made, images = train_step(clock), torch.randn(16, 3, 8, 8)
    assert decide(made, "auto", images, 10_000) == Decision(False, "not safe with ATEN_CPU_CAPABILITY")
    with pytest.raises(RunError, match="not safe with ATEN_CPU_CAPABILITY"):
        decide(made, "on", images, 10_000)


def test_a_compiler_that_fails(clock: Clock, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def broken(function: Any, **options: object) -> Any:
        raise RuntimeError("\nno C++ compiler found\nsee the manual")

    monkeypatch.setattr(torch, "compile", broken)
    made = train_step(clock)
    decision = decide(made, "auto", torch.randn(16, 3, 8, 8), 10_000)
    assert decision == Decision(False, "torch.compile fails here: no C++ compiler found")
    with pytest.raises(RunError, match="no C\\+\\+ compiler found") as raised:
        decide(made, "on", torch.randn(16, 3, 8, 8), 10_000)
    assert "--compile off" in raised.value.help
    assert not made.compiled


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"key": {}}', b"\xff", b'{"key": 3}'])
def test_a_damaged_memory_is_none(
    damage: bytes, cache: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "compile.json").write_bytes(damage)
    assert decided(clock, monkeypatch, 10_000, 0, FASTER).on


@pytest.mark.skipif(
    "ATEN_CPU_CAPABILITY" in os.environ,
    reason="compiling is not safe with ATEN_CPU_CAPABILITY",
)
def test_compiled_training_is_the_same_up_to_rounding(tmp_path: Path, console: Console) -> None:
    losses = []
    for compile in ("off", "on"):
        model = tiny()
        dropout = next(layer for layer in model.module().modules() if isinstance(layer, nn.Dropout))
        dropout.p = 0  # Compiled code draws other random numbers.
        run = Run(tmp_path / compile)
        losses.append(
            train(
                model, dataset(), RECIPE, run, FP32, console, SpeedRequest(compile=compile, workers=0)
            ).test["loss"]
        )
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
