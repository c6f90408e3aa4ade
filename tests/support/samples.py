"""Small networks and data that the runtime's tests share."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import nn

from netdsl.language.recipe import Cifar10, Cifar100, Digits, Folder
from netdsl.runtime.data import Dataset, divide, read
from netdsl.runtime.images import RULES, Rules, Split
from netdsl.runtime.model import Model, create
from netdsl.runtime.speed import SpeedRequest, choose

CPU = torch.device("cpu")
FP32 = choose(SpeedRequest(device="cpu", precision="fp32"), ())


class Tiny(nn.Module):
    """Everything that the loop must handle: convolution, batch norm, dropout, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x)).relu().mean((2, 3))
        logits: torch.Tensor = self.fc(self.drop(x))
        return logits


def tiny(seed: int = 0) -> Model:
    return create({"Tiny": Tiny}, "module", "Tiny", seed, CPU, torch.channels_last)


def colours(count: int, seed: int) -> Split:
    """Reddish images, 0, and bluish ones, 1."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 150, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 0, 0] += 40
    images[labels == 1, 2] += 40
    return Split.of(images, labels)


def pixels(part: Split) -> torch.Tensor:
    """The images of a split in memory, (N, C, H, W) uint8."""
    assert isinstance(part.images, torch.Tensor)
    return part.images


def dataset(train: int = 97, validation: int = 20) -> Dataset:
    split = colours(train, 0)
    held_out, test = colours(validation, 1), colours(30, 2)
    return Dataset.of(split, held_out, test, ("red", "blue"))


def load(
    data: Cifar10 | Cifar100 | Digits | Folder,
    input_shape: tuple[int, ...],
    classes: int,
    validation: int | None,
    seed: int,
    console: Console,
    *,
    images: int | None = None,
    stream: bool | None = None,
    room: int | None = None,
    rules: Rules = RULES,
) -> Dataset:
    """The data of a run, read and divided."""
    source = read(data, input_shape, console, stream=stream, room=room, rules=rules)
    return divide(source, classes, validation, seed, images)


def save_image(path: Path, colour: tuple[int, int, int] = (255, 0, 0), size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size, size, 3), colour, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
