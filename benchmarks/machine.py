"""Profiles a training step and compares it with the machine's limits.

    python -m benchmarks.machine [--networks resnet32 resnet18] [--batch 64] [--device auto] [--rounds 15]
                                 [--no-compile]

It measures first the limits: the rate of large matrix products in fp32 and bf16, and the bandwidth of copies
in memory. Then it measures steps of netdsl's loop on images of 3x32x32 with flip and crop, in fp32 and bf16,
with and without compiling, alternately in one process: milliseconds, floating-point operations per second of
convolutions and linear layers (two per multiply-accumulate; backward takes twice those of forward), and the
share of the matrix rate in the same precision. Last, it profiles a step without compiling, with torch's
profiler. `input` is the preparation of a batch from uint8 images (gathering, augmentation, normalisation),
`the rest` is Python, autograd's bookkeeping and allocation.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.throughput import load, spread
from netdsl.language.recipe import Crop, Flip, Recipe, Sgd
from netdsl.runtime import augment
from netdsl.runtime.batches import Batch
from netdsl.runtime.compiling import decide
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.images import Split
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep
from netdsl.trained.open_run import convolutions

LR = 1e-3
IMAGES = 4096
# Kinds of operations by torch's names; the first match counts.
KINDS = {
    "convolution, backward": r"convolution_backward",
    "convolution, forward": r"convolution|conv2d",
    "batch norm, backward": r"batch_norm_backward|BatchNormBackward",
    "batch norm, forward": r"batch_norm",
    "ReLU, additions, pools": r"clamp_min|threshold|relu|::add|pool|mean|expand|div",
    "linear layers, loss": r"addmm|::mm|linear|softmax|nll|cross_entropy|argmax|::sum|::eq",
    "optimizer": r"[Oo]ptimizer|_fused_|_foreach",
    "casts and copies": r"copy|::to$|ToCopy",
}


class Steps:
    """Training steps of a network with one choice of precision and compiling."""

    def __init__(self, name: str, batch: int, speed: Speed, data: Dataset) -> None:
        torch.manual_seed(0)
        network = load(name)
        recipe = Recipe(
            batch=batch,
            optimizer=Sgd(lr=LR, momentum=0.9, weight_decay=1e-4),
            augment=(Flip(), Crop(4)),
        )
        model = ModuleModel(network.module())
        model.to(speed.device, speed.layout)
        self.gigaflops = network.macs * 2 * 3 * batch / 1e9
        self.train_step = TrainStep(model, recipe, speed, ALONE)
        self._data = data
        size = data.train.images.shape[2], data.train.images.shape[3]
        self._draws = augment.draw(recipe.augment, IMAGES, size, 0, 0).to(speed.device)
        self._index = torch.randperm(IMAGES)[:batch].to(speed.device)

    def input(self) -> tuple[Tensor, Tensor]:
        """Returns the input that `TrainStep.step` passes to the network, and the labels."""
        images, train_step = self._data.train.images, self.train_step
        assert isinstance(images, Tensor)
        x = self._data.floats(images[self._index])
        x, _ = augment.apply(
            x,
            self._data.train.labels[self._index],
            train_step.recipe.augment,
            self._draws[self._index],
            self._data.mean,
        )
        return train_step.speed.laid_out(self._data.normalise(x)), self._data.train.labels[self._index]

    def step(self) -> None:
        images = self._data.train.images
        assert isinstance(images, Tensor)
        index = self._index
        batch = Batch(index, images[index], self._data.train.labels[index], len(index))
        self.train_step.step(batch, self._draws[index], self._data, LR)


def timed(speed: Speed, work: Callable[[], object]) -> float:
    """Returns the seconds that `work` takes, including synchronisation."""
    speed.wait()
    started = time.perf_counter()
    work()
    speed.wait()
    return time.perf_counter() - started


def matrix_rate(speed: Speed, dtype: torch.dtype, rounds: int) -> float:
    """Returns the GFLOP/s of the fastest product."""
    size = 8192 if speed.device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=speed.device).to(dtype) for _ in range(2))
    out = a @ b
    seconds = min(timed(speed, lambda: torch.mm(a, b, out=out)) for _ in range(rounds))
    return float(2 * size**3 / seconds / 1e9)


def bandwidth(speed: Speed, rounds: int) -> float:
    """Returns the GB/s, read and written, of the fastest copy of far more than the caches hold."""
    source = torch.zeros(2**28, dtype=torch.uint8, device=speed.device)
    target = torch.ones_like(source)
    seconds = min(timed(speed, lambda: target.copy_(source)) for _ in range(rounds))
    return 2 * source.numel() / seconds / 1e9


def random_data(speed: Speed) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    split = Split.of(images, torch.randint(10, (IMAGES,), generator=generator))
    return Dataset.of(split, split, split, ()).to(speed.device)


def kinds(steps: Steps, count: int) -> dict[str, float]:
    """Returns the milliseconds of each kind of operation in a step."""
    cuda = steps.train_step.speed.device.type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
    x, y = steps.input()
    with profile(activities=activities) as profiler:
        for _ in range(count):
            with record_function("step"):  # Its self time is the time between the operations.
                steps.train_step.gradients(x, y, len(x))
                steps.train_step.optimizer.step(LR)
        steps.train_step.speed.wait()
    found = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for event in profiler.key_averages():
        kind = next((kind for kind, names in KINDS.items() if re.search(names, event.key)), "the rest")
        own = event.self_device_time_total if cuda else event.self_cpu_time_total
        found[kind] += own / count / 1e3
    return found


def compare(name: str, batch: int, speeds: dict[str, Speed], compile: bool, rounds: int) -> dict[str, Steps]:
    """Prints the speed of each variant; returns the variants without compiling."""
    data = random_data(next(iter(speeds.values())))
    ways = {precision: Steps(name, batch, speed, data) for precision, speed in speeds.items()}
    eager = dict(ways)
    if compile:
        for precision, speed in speeds.items():
            steps = Steps(name, batch, speed, data)
            decision = decide(steps.train_step, "on", steps.input()[0], 1)
            ways[f"{precision}, {decision}"] = steps
    times: dict[str, list[float]] = {way: [] for way in ways}
    inputs: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 2):
        for way, steps in ways.items():
            seconds = timed(steps.train_step.speed, steps.step)
            preparing = timed(steps.train_step.speed, steps.input)
            if turn >= 2:
                times[way].append(seconds * 1e3)
                inputs[way].append(preparing * 1e3)
    base = median(times["fp32"])
    print(f"\n{name}, batch {batch}: {ways['fp32'].gigaflops:.1f} GFLOP a step\n")
    print("| computed in | ms a step | fp32 / this | input | GFLOP/s | of the matrix rate |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for way, steps in ways.items():
        each = median(times[way])
        rate = steps.gigaflops / min(times[way]) * 1e3
        dtype = torch.bfloat16 if steps.train_step.speed.precision == "bf16" else torch.float32
        share = rate / matrix_rate(steps.train_step.speed, dtype, 5)
        print(
            f"| {way} | {spread(times[way], 1)} | {base / each:.2f} | {median(inputs[way]) / each:.1%} "
            f"| {rate:.0f} | {share:.0%} |",
            flush=True,
        )
    return eager


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["resnet32", "resnet18"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    layers = [c for name in options.networks for c in convolutions(load(name))]
    speeds = {name: choose(SpeedRequest(options.device, precision=name), layers) for name in ("fp32", "bf16")}
    speed = speeds["fp32"]
    speed.prepare()
    if speed.device.type == "cpu":
        keep_freed_memory()
    print(f"{speed.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"matrix product, {str(dtype)[6:]}: {matrix_rate(speed, dtype, 10):,.0f} GFLOP/s")
    print(f"copy: {bandwidth(speed, 10):.1f} GB/s")
    for name in options.networks:
        for precision, steps in compare(name, options.batch, speeds, options.compile, options.rounds).items():
            found = kinds(steps, 5)
            total = sum(found.values())
            print(f"\n{name}, {precision}, not compiled: {total:.1f} ms under the profiler\n")
            print("| operations | ms | share |\n| --- | ---: | ---: |")
            for kind, milliseconds in found.items():
                print(f"| {kind} | {milliseconds:.2f} | {milliseconds / total:.1%} |", flush=True)


if __name__ == "__main__":
    main()
