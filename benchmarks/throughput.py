"""Compares the training throughput of netdsl's loop with that of the plain loop of the notebooks.

    python benchmarks/throughput.py [FOLDER_OF_IMAGES] [--networks resnet32 resnet18 vgg11_bn] [--batch 64]
                                    [--device auto] [--rounds 10] [--steps 12]

Three loops train the same network on the same images of 3x32x32. The notebook's loop passes PIL images
through ToTensor and Normalize in a DataLoader, and computes in fp32 with torch's defaults. netdsl's loop,
which has decoded its images in advance, runs in two variants: in fp32 without compiling, and as `auto`
chooses on this machine for a long training; the choice is printed. Without a folder, the images are random
arrays, and the notebook's loop makes a PIL image of each on access, as torchvision's CIFAR10 does; with a
folder, it opens the file, as torchvision's ImageFolder does.

Each loop has a separate process, and they alternate, so that changes of the machine's speed affect all of
them; medians are shown, and ratios to the notebook's loop per round. Peak memory is that of the process (on a
GPU, the memory that torch allocated on the device), including torch itself, the images and any compiling.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, Normalize, ToTensor

import netdsl
from netdsl.language.recipe import Recipe, Sgd
from netdsl.runtime.compiling import decide
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.images import Split
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.speed import SpeedRequest, choose, choose_device
from netdsl.runtime.train_step import TrainStep
from netdsl.trained.open_run import convolutions

IMAGES = 2048
# A training long enough that a compiler that saves any time per step repays its start-up.
LONG = 1_000_000
Picture: TypeAlias = Path | np.ndarray


def load(name: str) -> netdsl.Network:
    """Returns a network for images of 3x32x32."""
    match name:
        case "vgg11_bn":
            return netdsl.load("vgg", depth=11, batch_norm=True, input="3x32x32")
        case _:
            return netdsl.load(name, input="3x32x32")


@dataclass(frozen=True, slots=True)
class Setting:
    """Settings that the loops of a comparison share."""

    network: str
    folder: Path | None
    batch: int
    steps: int
    device: str

    def pictures(self) -> tuple[list[Picture], torch.Tensor]:
        """Returns images, the same in every process, and their labels."""
        pictures = random_pictures() if self.folder is None else read_pictures(self.folder)
        return pictures, torch.randint(10, (len(pictures),), generator=torch.Generator().manual_seed(0))

    def module(self) -> nn.Module:
        torch.manual_seed(0)
        return load(self.network).module()

    def recipe(self) -> Recipe:
        return Recipe(batch=self.batch, optimizer=Sgd(lr=1e-2, momentum=0.9, weight_decay=1e-4))


class Loop(NamedTuple):
    """A loop after its warm-up: `run` trains some steps to their end; `chosen` describes the choices."""

    run: Callable[[], None]
    chosen: str


class Figures(NamedTuple):
    """Images per second of a loop in each round, peak memory in MiB, and the choices of `auto`."""

    rates: list[float]
    memory: float
    chosen: str


def notebook(setting: Setting) -> Loop:
    """The loop of the notebooks."""
    pictures, labels = setting.pictures()
    data, device = dataset(pictures, labels), choose_device(setting.device)
    model = setting.module().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    transform = Compose([ToTensor(), Normalize(data.mean.tolist(), data.deviation.tolist())])
    loader = DataLoader(Pictures(pictures, labels, transform), batch_size=setting.batch, shuffle=True)

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def run() -> None:
        for _ in range(setting.steps):
            x, y = (tensor.to(device) for tensor in next(batches))
            model.train()
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss.item()  # Synchronises with the device.

    return Loop(run, "fp32, torch's defaults")


def fp32(setting: Setting) -> Loop:
    """netdsl's loop without lower precision or a compiler."""
    return own(setting, SpeedRequest(device=setting.device, precision="fp32", compile="off"))


def auto(setting: Setting) -> Loop:
    """netdsl's loop with the choices of `auto`."""
    return own(setting, SpeedRequest(device=setting.device))


def own(setting: Setting, request: SpeedRequest) -> Loop:
    speed, recipe = choose(request, convolutions(load(setting.network))), setting.recipe()
    speed.prepare()
    if speed.device.type == "cpu":
        keep_freed_memory()
    data = dataset(*setting.pictures()).to(speed.device)
    model = ModuleModel(setting.module())
    model.to(speed.device, speed.layout)
    train_step = TrainStep(model, recipe, speed, ALONE)
    assert isinstance(data.train.images, torch.Tensor)
    example = speed.laid_out(data.normalise(data.floats(data.train.images[: setting.batch])))
    with tempfile.TemporaryDirectory() as cache:  # Without the measurements of earlier runs.
        os.environ["NETDSL_CACHE"] = cache
        decision = decide(train_step, request.compile, example, LONG)
    progress = Progress(0, IMAGES)

    def run() -> None:
        nonlocal progress
        left = setting.steps

        def look(_: bool) -> bool:
            nonlocal left
            left -= 1
            return left == 0

        while left:
            if progress.complete:
                progress = Progress(progress.epoch + 1, IMAGES)
            train_epoch(train_step, data, progress, look)

    return Loop(run, ", ".join([*speed.reasons, str(decision)]))


LOOPS: dict[str, Callable[[Setting], Loop]] = {"notebook": notebook, "netdsl fp32": fp32, "netdsl auto": auto}


def compare(setting: Setting, rounds: int) -> dict[str, Figures]:
    """Measures all loops."""
    # Sequentially, each to the end of its warm-up: `auto` measures the effect of compiling.
    started = {name: start(name, setting) for name in LOOPS}
    rates: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in range(rounds):
        for name, (pipe, _) in started.items():
            pipe.send(True)
            rates[name].append(setting.steps * setting.batch / pipe.recv())
    figures = {}
    for name, (pipe, chosen) in started.items():
        pipe.send(False)
        figures[name] = Figures(rates[name], pipe.recv(), chosen)
    return figures


def start(name: str, setting: Setting) -> tuple[Connection, str]:
    """Starts a process that times its loop at each True; returns its pipe and the choices of the loop."""
    ours, theirs = Pipe()
    # Spawned, since a fork would inherit torch's threads in an unknown state.
    get_context("spawn").Process(target=serve, args=(theirs, name, setting), daemon=True).start()
    theirs.close()  # So that the end of the process is detected.
    return ours, ours.recv()


def serve(pipe: Connection, name: str, setting: Setting) -> None:
    loop = LOOPS[name](setting)
    loop.run()
    pipe.send(loop.chosen)
    while pipe.recv():
        started = time.perf_counter()
        loop.run()
        pipe.send(time.perf_counter() - started)
    pipe.send(peak_memory(setting.device))


def peak_memory(device: str) -> float:
    """Returns the peak memory in MiB."""
    if choose_device(device).type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def dataset(pictures: Sequence[Picture], labels: torch.Tensor) -> Dataset:
    images = torch.stack([torch.from_numpy(np.array(opened(picture))) for picture in pictures])
    split = Split.of(images.permute(0, 3, 1, 2).contiguous(), labels)
    return Dataset.of(split, split, split, ())


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """PIL images and labels, transformed one at a time, as torchvision's data sets do."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        labels: torch.Tensor,
        transform: Callable[[Image.Image], torch.Tensor],
    ) -> None:
        self._pictures = pictures
        self._labels = labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(opened(self._pictures[index])), self._labels[index]


def opened(picture: Picture) -> Image.Image:
    """Returns the PIL image of a file or an array."""
    if isinstance(picture, Path):
        return Image.open(picture).convert("RGB").resize((32, 32))
    return Image.fromarray(picture)


def read_pictures(folder: Path) -> list[Picture]:
    """Returns the first images in a folder and its subfolders."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:IMAGES]
    if len(files) < IMAGES:
        sys.exit(f"{folder} has {len(files)} images, {IMAGES} are needed")
    return list(files)


def random_pictures() -> list[Picture]:
    return list(np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8))


def spread(values: Sequence[float], digits: int) -> str:
    """Formats the median, minimum and maximum."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def show(setting: Setting, figures: dict[str, Figures]) -> None:
    """Prints a table in Markdown, and the choices of each loop."""
    device = choose_device(setting.device)
    threads = f"{torch.get_num_threads()} threads"
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
    print(f"\n{setting.network}, batch {setting.batch}, {setting.folder or 'arrays'}, {where}\n")
    print("| loop | images/s | ratio | peak memory |\n| --- | ---: | ---: | ---: |")
    base = figures["notebook"].rates
    for name, (rates, memory, _) in figures.items():
        ratios = [rate / plain for rate, plain in zip(rates, base, strict=True)]
        print(f"| {name} | {spread(rates, 0)} | {spread(ratios, 2)} | {memory:,.0f} MiB |")
    print()
    for name, (_, _, chosen) in figures.items():
        print(f"{name}: {chosen}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--networks", nargs="+", default=["resnet32", "resnet18", "vgg11_bn"])
    parser.add_argument("--batch", type=int, default=64, help=f"a divisor of {IMAGES}")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=12, help="of each loop in a round")
    options = parser.parse_args()
    if IMAGES % options.batch:
        parser.error(f"--batch {options.batch} leaves a smaller batch at the end of {IMAGES} images")
    for network in options.networks:
        setting = Setting(network, options.images, options.batch, options.steps, options.device)
        show(setting, compare(setting, options.rounds))


if __name__ == "__main__":
    main()
