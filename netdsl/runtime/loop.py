"""One epoch of training: batches, augmentation, loss, gradients, update."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from netdsl.recipe import Recipe
from netdsl.runtime.augment import augment
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import Model
from netdsl.runtime.optim import Update, learning_rate

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
    update: Update,
    generator: Generator,
    show: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Progress:
    """Trains on each image once, or until `stop`, asked after each batch; `epoch` counts from 0.

    Raises RunError where the loss is not finite.
    """
    batches = _batches(len(data.train), recipe.batch, generator)
    losses = torch.zeros(len(batches), device=generator.device)
    right = torch.zeros((), dtype=torch.int64, device=generator.device)
    images, started = 0, time.perf_counter()
    looked = started

    for step, index in enumerate(batches):
        moment = epoch + (step + 0.5) / len(batches)  # The middle: a warm-up's first step isn't 0.
        lr = learning_rate(recipe.schedule, recipe.optimizer.lr, moment, recipe.epochs)
        batch = data.train[index]
        x = augment(data.floats(batch.images), recipe.augment, data.mean, generator)
        logits = model(data.normalise(x), training=True)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=recipe.loss.smoothing)
        loss.backward()
        update(lr)

        losses[step] = loss.detach()
        right += (logits.argmax(1) == batch.labels).sum()
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


def _batches(images: int, size: int, generator: Generator) -> list[Tensor]:
    """The indices of all images, shuffled, in batches; the last one may be smaller."""
    order = torch.randperm(images, generator=generator, device=generator.device)
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
