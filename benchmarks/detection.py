"""Compares the training throughput of a detector in netdsl's loop with that of a plain PyTorch loop.

    python -m benchmarks.detection [--network scenes_fcos] [--batch 32] [--rounds 7] [--steps 8]
                                   [--workers 0 2] [--device auto]

The loops train the same network on the same scenes of digits, mirrored at random. The plain loop is as
tutorials write it: a DataLoader, with each number of `--workers`, opens PIL images, mirrors and normalises
each, and collects boxes in lists; the targets of FCOS are built image by image in Python, as torchvision's
FCOS builds them, and the network computes in fp32 with torch's defaults. netdsl's loop runs in fp32, and in
the precision that `auto` chooses on this machine, without compiling.

The loops take turns, in one process, so that changes of the machine's speed affect all of them; medians of
images per second are shown, and of the ratios to the plain loop of the same round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from statistics import median

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss
from torchvision.transforms.functional import normalize, to_tensor

import netdsl
from netdsl.language.recipe import AdamW, Flip, Recipe
from netdsl.network import CompiledNetwork
from netdsl.runtime import augment
from netdsl.runtime.batches import load_batch
from netdsl.runtime.data import Dataset
from netdsl.runtime.detection.boxes import without_padding
from netdsl.runtime.detection.scenes import Scenes
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.images import Split
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.speed import SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep
from netdsl.trained.open_run import convolutions
from netdsl.trained.tasks import task_of

IMAGES = 512
MEAN, DEVIATION = [0.4] * 3, [0.25] * 3
STRIDE = 4


class Pictures(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """PIL images with their boxes, mirrored half of the time and normalised."""

    def __init__(self, images: Tensor, boxes: Tensor) -> None:
        self.images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.boxes = [without_padding(own) for own in boxes]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, boxes = self.images[index], self.boxes[index].clone()
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            boxes[:, [0, 2]] = image.width - boxes[:, [2, 0]]
        return normalize(to_tensor(image), MEAN, DEVIATION), boxes


def collected(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[Tensor]]:
    images, boxes = zip(*rows, strict=True)
    return torch.stack(images), list(boxes)


def image_targets(boxes: Tensor, points: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """The classes (L, C), distances in strides (L, 4) and centerness (L,) of the locations of one image."""
    kinds = torch.zeros(len(points), classes, device=points.device)
    distances = torch.zeros(len(points), 4, device=points.device)
    if not len(boxes):
        return kinds, distances, distances[:, 0]
    every = torch.cat((points[:, None] - boxes[:, :2], boxes[:, 2:4] - points[:, None]), 2)  # (L, M, 4)
    areas = (boxes[:, 2:4] - boxes[:, :2]).prod(1).expand(len(points), -1).clone()
    areas[every.amin(2) <= 0] = float("inf")
    smallest, chosen = areas.min(1)
    inside = smallest.isfinite()
    kinds[inside, boxes[chosen[inside], 4].long()] = 1
    distances[inside] = every[inside, chosen[inside]]
    left, top, right, bottom = distances[inside].unbind(1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    down = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    centre = torch.zeros(len(points), device=points.device)
    centre[inside] = (across * down).sqrt()
    return kinds, distances / STRIDE, centre


def plain_loss(output: Tensor, boxes: list[Tensor], classes: int) -> Tensor:
    """FCOS's loss of a map, (N, C + 5, h, w)."""
    height, width = output.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = ((torch.stack((x, y), 2).reshape(-1, 2) + 0.5) * STRIDE).to(output.device)
    built = [image_targets(own.to(output.device), points, classes) for own in boxes]
    kinds, distances, centre = (torch.stack(parts) for parts in zip(*built, strict=True))
    scores, away, middle = output.flatten(2).transpose(1, 2).split([classes, 4, 1], 2)
    inside = kinds.sum(2) > 0
    signs = away.new_tensor([-1, -1, 1, 1])
    focal = sigmoid_focal_loss(scores, kinds, alpha=0.25, gamma=2, reduction="sum")
    overlap = generalized_box_iou_loss(away[inside].exp() * signs, distances[inside] * signs, reduction="sum")
    near = F.binary_cross_entropy_with_logits(middle[..., 0][inside], centre[inside], reduction="sum")
    total: Tensor = (focal + overlap + near) / inside.sum().clamp(min=1)
    return total


def forever(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, list[Tensor]]]:
    return chain.from_iterable(repeat(loader))


def plain_steps(
    module: nn.Module, pictures: Pictures, batch: int, workers: int, classes: int, device: torch.device
) -> Callable[[], None]:
    """A step of the plain loop."""
    loader = DataLoader(
        pictures,
        batch,
        shuffle=True,
        num_workers=workers,
        collate_fn=collected,
        drop_last=True,
        persistent_workers=workers > 0,
    )
    module.to(device).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    rows = forever(loader)

    def step() -> None:
        images, boxes = next(rows)
        loss = plain_loss(module(images.to(device)), boxes, classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def our_steps(
    network: CompiledNetwork, data: Dataset, batch: int, precision: str, device: str
) -> tuple[Callable[[], None], str]:
    """A step of netdsl's loop, and its precision."""
    request = SpeedRequest(device=device, precision=precision, compile="off")
    speed = choose(request, convolutions(network))
    recipe = Recipe(batch=batch, optimizer=AdamW(lr=1e-3), augment=(Flip(),), loss=network.recipe.loss)
    model = ModuleModel(network.module())
    model.to(speed.device, speed.layout)
    train_step = TrainStep(model, recipe, speed, ALONE, task_of(network))
    own = data.to(speed.device)
    size = (data.train.images.shape[2], data.train.images.shape[3])
    draws = augment.draw(recipe.augment, len(data.train), size, 0, 0).to(speed.device)
    rows = forever_rows(len(data.train), batch)

    def step() -> None:
        index = next(rows)
        found = load_batch(own.train, index, speed.device)
        train_step.step(found, draws[found.index], own, 1e-3).sum().item()

    return step, speed.precision


def forever_rows(count: int, batch: int) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(count).split(batch)


def rate(step: Callable[[], None], steps: int, batch: int) -> float:
    """Images per second."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="scenes_fcos")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    network = netdsl.load(options.network)
    assert network.classes is not None
    images, boxes = Scenes("train", torch.arange(IMAGES), network.input_shape, seed=0).draw(
        torch.arange(IMAGES)
    )
    split = Split.of(images, boxes)
    data = replace(
        Dataset.of(split, split[torch.arange(0)], split, tuple(map(str, range(10)))),
        mean=torch.tensor(MEAN),
        deviation=torch.tensor(DEVIATION),
    )
    device = choose(SpeedRequest(device=options.device), ()).device
    keep_freed_memory()
    loops: dict[str, Callable[[], None]] = {}
    for workers in options.workers:
        pictures = Pictures(images, boxes)
        loops[f"plain, {workers} workers"] = plain_steps(
            network.module(), pictures, options.batch, workers, network.classes, device
        )
    plain = list(loops)
    for precision in ("fp32", "auto"):
        step, chosen = our_steps(network, data, options.batch, precision, options.device)
        loops[f"netdsl, {chosen}"] = step
    for step in loops.values():
        rate(step, 2, options.batch)
    rounds = [
        {name: rate(step, options.steps, options.batch) for name, step in loops.items()}
        for _ in range(options.rounds)
    ]
    print(f"{network.name}, batches of {options.batch}, {device}, {torch.get_num_threads()} threads")
    for name in loops:
        ratio = median(row[name] / max(row[each] for each in plain) for row in rounds)
        print(f"{name:20} {median(row[name] for row in rounds):8.1f} images/s  {ratio:5.2f}")


if __name__ == "__main__":
    main()
