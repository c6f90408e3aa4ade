"""Training throughput on this machine: netdsl's loop beside the plain loop of the notebooks.

    python benchmarks/throughput.py [FOLDER_OF_IMAGES]

Both train resnet32 on the same images in batches of 64. The plain loop sends PIL images through
ToTensor and Normalize in a DataLoader. Without a folder the images are random arrays, and the plain
loop makes a PIL image of each when it is asked for, as torchvision's CIFAR10 does; with a folder it
opens the file, as torchvision's ImageFolder does. netdsl's loop has decoded its images beforehand.
Each loop has a process of its own, and they take turns, so that a machine that changes its speed
changes it for both; the medians are shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, Normalize, ToTensor

import netdsl
from netdsl.recipe import Recipe
from netdsl.runtime.data import Dataset, Split, statistics
from netdsl.runtime.loop import train_epoch
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.optim import build

BATCH, STEPS, ROUNDS = 64, 12, 10
RECIPE = Recipe(batch=BATCH)
Picture: TypeAlias = Path | np.ndarray
Loop: TypeAlias = Callable[[list[Picture], torch.Tensor], Callable[[], None]]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    pipes = {loop.__name__: start(loop, folder) for loop in (plain_loop, netdsl_loop)}
    speeds: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(ROUNDS):
        for name, pipe in pipes.items():
            pipe.send(True)
            speeds[name].append(STEPS * BATCH / pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    for name, values in speeds.items():
        low, high = min(values), max(values)
        print(f"{name:11} {median(values):6.0f} images/s  ({low:.0f} to {high:.0f})")
    ratios = [ours / plain for plain, ours in zip(*speeds.values(), strict=True)]
    print(f"ratio       {median(ratios):6.2f}           ({min(ratios):.2f} to {max(ratios):.2f})")


def start(loop: Loop, folder: Path | None) -> Connection:
    """A process that trains STEPS batches at each True, and answers with the seconds taken."""
    ours, theirs = Pipe()
    # Spawned: a fork would inherit torch's threads in an unknown state.
    get_context("spawn").Process(target=serve, args=(theirs, loop, folder), daemon=True).start()
    return ours


def serve(pipe: Connection, loop: Loop, folder: Path | None) -> None:
    pictures = read_pictures(folder) if folder else random_pictures()
    run = loop(pictures, torch.randint(0, 10, (len(pictures),)))
    run()  # Warms up.
    while pipe.recv():
        started = time.perf_counter()
        run()
        pipe.send(time.perf_counter() - started)


def plain_loop(pictures: list[Picture], labels: torch.Tensor) -> Callable[[], None]:
    """STEPS batches as the notebooks train them."""
    data = dataset(pictures, labels)
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=1e-4)
    transform = Compose([ToTensor(), Normalize(data.mean.tolist(), data.deviation.tolist())])
    loader = DataLoader(Pictures(pictures, labels, transform), batch_size=BATCH, shuffle=True)

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def run() -> None:
        for _ in range(STEPS):
            x, y = next(batches)
            model.train()
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def netdsl_loop(pictures: list[Picture], labels: torch.Tensor) -> Callable[[], None]:
    """STEPS batches in netdsl's own loop."""
    keep_freed_memory()
    data = dataset(pictures, labels)
    model = ModuleModel(new_model())
    model.to(torch.device("cpu"))
    optimizer = build(model.parameters, RECIPE.optimizer, fused=True)
    generator = torch.Generator().manual_seed(0)

    def run() -> None:
        steps = iter(range(STEPS))
        train_epoch(
            model,
            data,
            RECIPE,
            0,
            optimizer,
            None,
            generator,
            show=lambda progress: None,
            stop=lambda: next(steps) == STEPS - 1,
        )

    return run


def dataset(pictures: list[Picture], labels: torch.Tensor) -> Dataset:
    images = torch.stack([torch.from_numpy(np.array(opened(picture))) for picture in pictures])
    split = Split(images.permute(0, 3, 1, 2).contiguous(), labels)
    return Dataset(split, split, split, (), *statistics(split.images))


def new_model() -> nn.Module:
    torch.manual_seed(0)
    return netdsl.load("resnet32").module()


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """PIL images and labels, transformed one at a time, as torchvision's data sets do."""

    def __init__(
        self,
        pictures: list[Picture],
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
    """The PIL image of a file or an array."""
    if isinstance(picture, Path):
        return Image.open(picture).convert("RGB").resize((32, 32))
    return Image.fromarray(picture)


def read_pictures(folder: Path, limit: int = 2048) -> list[Picture]:
    """The first images in a folder and the folders in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:limit]
    if len(files) < STEPS * BATCH:
        sys.exit(f"{folder} has {len(files)} images, at least {STEPS * BATCH} are needed")
    return list(files)


def random_pictures(count: int = 2048) -> list[Picture]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8))


if __name__ == "__main__":
    main()
