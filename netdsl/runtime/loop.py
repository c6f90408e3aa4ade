"""One epoch of training: batches, augmentation, loss, gradients, update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netdsl.recipe import Recipe
from netdsl.runtime.augment import apply, draw
from netdsl.runtime.average import Average
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import Model
from netdsl.runtime.optim import Optimizer, learning_rate

# Seconds between two looks at the loss: on a GPU each look waits for all the work handed to it.
_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an epoch stands: `steps` of `of_steps` batches, means over the images so far."""

    steps: int
    of_steps: int
    images: int
    loss: float
    accuracy: float
    lr: float
    seconds: float

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds


def train_epoch(
    model: Model,
    data: Dataset,
    recipe: Recipe,
    epoch: int,
    optimizer: Optimizer,
    average: Average | None,
    generator: Generator,
    show: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Progress:
    """Trains on each image once, or until `stop`, asked after each batch; `epoch` counts from 0.

    Raises RunError where the loss is not finite.
    """
    order = torch.randperm(len(data.train), generator=generator, device=generator.device)
    batches = _batches(order, recipe.batch)
    height, width = data.train.images.shape[2:]
    draws = draw(recipe.augment, len(data.train), (height, width), epoch, recipe.seed).to(generator.device)
    losses = torch.zeros(len(batches), device=generator.device)
    right = torch.zeros((), dtype=torch.int64, device=generator.device)
    images, started = 0, time.perf_counter()
    looked = started

    for step, index in enumerate(batches):
        moment = epoch + (step + 0.5) / len(batches)  # The middle: a warm-up's first step isn't 0.
        lr = learning_rate(recipe.schedule, recipe.optimizer.lr, moment, recipe.epochs)
        for part in _batches(index, math.ceil(recipe.batch / recipe.accumulate)):
            batch = data.train[part]
            x = apply(data.floats(batch.images), recipe.augment, draws[part], data.mean)
            logits = model(data.normalise(x), training=True)
            loss = F.cross_entropy(logits, batch.labels, label_smoothing=recipe.loss.smoothing)
            loss = loss * (len(part) / len(index))  # The parts' sum is the mean over the whole batch.
            loss.backward()
            losses[step] += loss.detach()
            right += (logits.argmax(1) == batch.labels).sum()
        optimizer.step(lr)
        if average:
            average.update()
        images += len(index)
        last = step + 1 == len(batches) or stop()
        if last or time.perf_counter() - looked > _LOOK:
            mean = _mean(losses[: step + 1], batches, epoch)
            accuracy = right.item() / images
            looked = time.perf_counter()
            so_far = Progress(step + 1, len(batches), images, mean, accuracy, lr, looked - started)
            show(so_far)
        if last:
            break
    return so_far


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Indices of images in batches; the last one may be smaller."""
    batches = list(torch.split(order, size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        # Batch norm has no statistics of a single example.
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _mean(losses: Tensor, batches: list[Tensor], epoch: int) -> float:
    """The mean loss of an image. Raises RunError where a step's loss is not finite."""
    values: list[float] = losses.tolist()
    for step, finite in enumerate(losses.isfinite().tolist()):
        if not finite:
            raise diverged(f"the loss is {values[step]} at step {step + 1} of epoch {epoch + 1}")
    sizes = [len(batch) for batch in batches[: len(values)]]
    return sum(loss * size for loss, size in zip(values, sizes, strict=True)) / sum(sizes)


def diverged(message: str) -> RunError:
    return RunError(message, "lower the learning rate, say to a tenth: `--optimizer.lr`")
