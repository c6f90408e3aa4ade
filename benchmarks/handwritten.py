"""Compares the time of a training step of generated code with that of the same network written by hand.

    python benchmarks/handwritten.py [--rounds 30] [--device cpu]

The networks are torchvision's resnet50 on 8 images of 3x64x64, and resnet32 as written in the course, on 64
images of 3x32x32. A step is forward, loss, backward and SGD in fp32, with torch's defaults for both; the
generated network starts with the weights of the other, and the losses of the first step must agree. The two
alternate in one process, and which one is first alternates too; the ratio is taken per round, generated to
hand-written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
import torchvision.models
from torch import Tensor, nn

import netdsl
from netdsl.runtime.memory import keep_freed_memory


class Block(nn.Module):
    """The notebook's residual block."""

    def __init__(self, inputs: int, outputs: int, downsample: bool = False) -> None:
        super().__init__()
        stride = 2 if downsample else 1
        self.block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        changes = downsample or inputs != outputs
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride) if changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x) + self.shortcut(x)
        return y


class ResNet32(nn.Module):
    """The notebook's resnet32: stem, three stages of five blocks, average, linear layer."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())]
        for inputs, outputs, downsample in ((8, 8, False), (8, 16, True), (16, 32, True)):
            rest = [Block(outputs, outputs) for _ in range(4)]
            blocks.append(nn.Sequential(Block(inputs, outputs, downsample), *rest))
        self.cnn = nn.Sequential(*blocks)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cnn(x)
        x = F.avg_pool2d(x, x.shape[2:]).flatten(1)
        y: Tensor = self.fc(x)
        return y


def resnet50() -> tuple[nn.Module, nn.Module, Tensor]:
    ours = netdsl.load("resnet50", input="3x64x64").module()
    return torchvision.models.resnet50(), ours, torch.randn(8, 3, 64, 64)


def resnet32() -> tuple[nn.Module, nn.Module, Tensor]:
    return ResNet32(), netdsl.load("resnet32").module(), torch.randn(64, 3, 32, 32)


def trainer(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], float]:
    """Returns a function that runs a step and returns its loss."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)

    def step() -> float:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Synchronises with the device.
        return loss.item()

    return step


def seconds(step: Callable[[], float]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    keep_freed_memory()
    print(f"{torch.get_num_threads()} threads, {options.rounds} rounds\n")
    print("| network | by hand | generated | ratio |\n| --- | ---: | ---: | ---: |")
    for build in (resnet32, resnet50):
        torch.manual_seed(0)
        theirs, ours, x = build()
        netdsl.transplant(theirs.state_dict(), ours)
        x, y = x.to(options.device), torch.randint(10, (len(x),), device=options.device)
        pair = [trainer(model.to(options.device).train(), x, y) for model in (theirs, ours)]
        losses = [step() for step in pair]
        assert abs(losses[0] - losses[1]) < 1e-4 * abs(losses[0]), losses
        times: list[list[float]] = [[], []]
        for turn in range(options.rounds):
            for i in (0, 1) if turn % 2 else (1, 0):
                times[i].append(seconds(pair[i]))
        ratios = sorted(own / other for other, own in zip(*times, strict=True))
        by_hand, generated = (f"{median(each) * 1e3:.1f} ms" for each in times)
        quarter = len(ratios) // 4
        spread = f"half of the rounds {ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}"
        print(f"| {build.__name__} | {by_hand} | {generated} | {median(ratios):.3f} ({spread}) |", flush=True)


if __name__ == "__main__":
    main()
