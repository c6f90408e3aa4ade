"""The decision to use `torch.compile`, from measurements of this network on this machine."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.replica import Objective
from netdsl.runtime.silence import first_line, silenced
from netdsl.runtime.storage import cache_folder, read_json, write_json
from netdsl.runtime.train_step import TrainStep

# Timed steps after a warm-up step; the fastest counts, since other work only slows a step.
_TIMED = 4
# Seconds of start-up, and seconds for each weight tensor, on two CPU cores (docs/performance.md); earlier
# measurements on this machine scale them.
_BASE, _EACH = 5.0, 0.4
# The largest cost of a trial, as a fraction of the remaining training.
_STAKE = 0.2
# Restricts the instructions of torch's code. The cache of compiled code doesn't know of it (torch 2.14): code
# for other instructions is used, which computes wrong losses or corrupts memory.
_RESTRICTION = "ATEN_CPU_CAPABILITY"

_WAIT = "trying torch.compile: this can take minutes"


@dataclass(frozen=True, slots=True)
class Decision:
    """True if the training is compiled, and the reason."""

    on: bool
    reason: str

    def __str__(self) -> str:
        return f"{'compiled' if self.on else 'not compiled'} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Trial:
    """A measurement, in seconds: the start-up, and a step without and with compiling."""

    tensors: int
    startup: float
    eager: float
    compiled: float

    def decision(self, steps: int, *, started: bool) -> Decision:
        """The decision for the remaining steps; `started` if the start-up is done already."""
        figures = f"{self.compiled * 1e3:.1f} ms a step in place of {self.eager * 1e3:.1f}"
        gain = (self.eager - self.compiled) * steps
        if started:
            figures += f", start-up {self.startup:.0f} s"
            return Decision(gain > 0, f"{figures}, saves {gain:.0f} s" if gain > 0 else figures)
        figures += f" when it was measured, start-up {self.startup:.0f} s"
        on = gain > self.startup
        return Decision(on, f"{figures}, which {steps:,} steps {'repay' if on else 'do not repay'}")


def decide(
    train_step: TrainStep,
    requested: str,
    images: Tensor,
    steps: int,
    announce: Callable[[str], None] = lambda _: None,
) -> Decision:
    """Compiles the training step's objective if that saves time, or if `requested` is "on".

    `images` is an example batch (n, C, H, W), normalised, `steps` the number of remaining steps. The
    measurements of a trial are cached for the next run of the same network. The weights do not change.
    `announce` prints what takes long. Several processes, which must all decide alike, compile only if
    requested "on". Raises RunError if it is "on" and compiling fails or is not safe.
    """
    if requested == "off":
        return Decision(False, train_step.speed.why)
    if steps <= 0:
        return Decision(False, "no steps remain")
    if requested == "auto" and train_step.processes.size > 1:
        return Decision(False, "several processes: needs `--compile on`")
    if train_step.speed.device.type == "cpu" and _RESTRICTION in os.environ:
        if requested == "on":
            raise RunError(f"torch.compile is not safe with {_RESTRICTION}", f"unset {_RESTRICTION}")
        return Decision(False, f"not safe with {_RESTRICTION}")
    state = {name: tensor.clone() for name, tensor in train_step.model.state().items()}
    try:
        if requested == "on":
            announce(_WAIT)
            return _forced(train_step, images)
        return _measured(train_step, images, steps, announce)
    finally:
        train_step.model.load_state(state)  # The steps of a trial change running statistics.


def _forced(train_step: TrainStep, images: Tensor) -> Decision:
    try:
        startup = _compile(train_step, images)
    except Exception as error:  # noqa: BLE001 - compilers raise any exception
        help = "train without it: `--compile off`"
        raise RunError(f"torch.compile fails: {first_line(error)}", help) from error
    return Decision(True, f"{train_step.speed.why}; start-up {startup:.0f} s")


def _measured(train_step: TrainStep, images: Tensor, steps: int, announce: Callable[[str], None]) -> Decision:
    key, tensors = _key(train_step, images), len(train_step.model.parameters)
    trials = _remembered()
    if key in trials:
        decision = trials[key].decision(steps, started=False)
        if not decision.on:
            return decision
    (eager,) = _seconds_a_step(train_step, images, train_step.plain_objective)
    scales = [trial.startup / _usual_startup(trial.tensors) for trial in trials.values()]
    guess = _usual_startup(tensors) * (sum(scales) / len(scales) if scales else 1)
    if key not in trials and guess > _STAKE * eager * steps:
        left = f"{eager * steps:.0f} s of training"
        return Decision(False, f"only {left} remain, and its start-up takes about {guess:.0f} s")
    try:
        announce(_WAIT)
        startup = _compile(train_step, images)
        eager, compiled = _seconds_a_step(
            train_step, images, train_step.plain_objective, train_step.objective
        )
    except Exception as error:  # noqa: BLE001 - compilers raise any exception
        train_step.objective = train_step.plain_objective
        return Decision(False, f"torch.compile fails here: {first_line(error)}")
    # The longest start-up is the one without torch's cache, as for another network.
    longest = max(startup, trials[key].startup) if key in trials else startup
    _remember({**trials, key: Trial(tensors, longest, eager, compiled)})
    if compiled >= eager:
        train_step.objective = train_step.plain_objective
    return Trial(tensors, startup, eager, compiled).decision(steps, started=True)


def _usual_startup(tensors: int) -> float:
    return _BASE + _EACH * tensors


def _compile(train_step: TrainStep, images: Tensor) -> float:
    """Compiles the training step's objective; returns the seconds that it took."""
    on_gpu, parts = train_step.speed.device.type == "cuda", train_step.recipe.accumulate
    # CUDA graphs write the gradients of each call to the same memory: that excludes accumulation, and the
    # buckets of several processes.
    mode = "reduce-overhead" if on_gpu and parts == train_step.processes.size == 1 else None
    # On a CPU the compiler makes every convolution channels last by default, which may be unsafe.
    keeps_layout = not on_gpu and train_step.speed.layout is torch.contiguous_format
    options: dict[str, Any] | None = {"layout_optimization": False} if keeps_layout else None
    started = time.perf_counter()
    with silenced():
        train_step.objective = torch.compile(
            train_step.plain_objective, dynamic=False, mode=mode, options=options
        )
        for _ in range(3 if on_gpu else 1):  # CUDA graphs need warm-up calls before they are recorded.
            _step(train_step, images)
    train_step.speed.wait()
    return time.perf_counter() - started


def _seconds_a_step(train_step: TrainStep, images: Tensor, *objectives: Objective) -> list[float]:
    """The seconds of a step for each objective, measured in turns so that other work slows all of them.

    The training step keeps the last objective.
    """
    fastest = [math.inf] * len(objectives)
    for turn in range(_TIMED + 1):
        for i, train_step.objective in enumerate(objectives):
            train_step.speed.wait()
            started = time.perf_counter()
            _step(train_step, images)
            train_step.speed.wait()
            if turn:  # The first one warms up.
                fastest[i] = min(fastest[i], time.perf_counter() - started)
    return fastest


def _step(train_step: TrainStep, images: Tensor) -> None:
    """Computes and discards the gradients of an example batch."""
    targets = train_step.task.example(len(images), images.device)
    train_step.gradients(images, targets, len(images) * train_step.processes.size)
    for parameter in train_step.model.parameters:
        parameter.grad = None


# --- cached trials -------------------------------------------------------------------------------


def _key(train_step: TrainStep, images: Tensor) -> str:
    """A key for the shapes of the network's weights, the batch and the machine."""
    speed = train_step.speed
    machine = torch.backends.cpu.get_cpu_capability()
    if speed.device.type == "cuda":
        machine = torch.cuda.get_device_name(speed.device)
    shapes = [tuple(parameter.shape) for parameter in train_step.model.parameters]
    facts = (shapes, tuple(images.shape), train_step.recipe.accumulate, speed.precision, str(speed.layout))
    text = repr((facts, machine, torch.get_num_threads(), torch.__version__))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _remembered() -> dict[str, Trial]:
    """Trials of earlier runs; none if the file is missing or damaged."""
    with suppress(RunError):
        return read_json(cache_folder() / "compile.json", dict[str, Trial]) or {}
    return {}


def _remember(trials: dict[str, Trial]) -> None:
    with suppress(RunError):  # Without a cache, the next run repeats the trial.
        write_json(cache_folder() / "compile.json", {key: asdict(trial) for key, trial in trials.items()})
