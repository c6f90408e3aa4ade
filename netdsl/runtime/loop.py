"""One epoch of training: batches, augmentation, loss, gradients, update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, seeds
from netdsl.runtime.batches import load, split
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import Processes
from netdsl.runtime.errors import Diverged
from netdsl.runtime.optim import learning_rate
from netdsl.runtime.train_step import Moment, TrainStep

# Seconds from one check of the loss to the next: a check synchronises a GPU, and several processes.
_LOOK = 0.5


@dataclass(slots=True)
class Progress:
    """The position in an epoch, counted from 0: sums over the images `seen` of the `of_images` for training,
    by all processes.

    `seconds` is the time spent on it, `lr` the last learning rate. `first_loss` is the mean loss of its
    first batch, of `first_batch` images; None until it is known, and in a resumed epoch.
    """

    epoch: int
    of_images: int
    seen: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    # The sums of the task's figures.
    figures: list[float] = field(default_factory=list)
    lr: float = 0.0
    seconds: float = 0.0
    first_batch: int = 0
    first_loss: float | None = None
    # The number of images after which the epoch ends, known when it begins.
    end: int = 0
    # Results not yet read from the device: for each step the sums of losses and of figures, (1 + k,).
    pending: list[Tensor] = field(default_factory=list)

    @property
    def loss(self) -> float:
        return self.loss_sum / self.seen

    def means(self, names: Sequence[str]) -> dict[str, float]:
        """The means of the task's figures, by name."""
        return {name: total / self.seen for name, total in zip(names, self.figures, strict=True)}

    @property
    def images_per_second(self) -> float:
        return self.seen / self.seconds

    @property
    def complete(self) -> bool:
        return self.seen >= self.end

    def settle(self, processes: Processes) -> None:
        """Adds up the pending results; synchronises the device. Raises Diverged if a loss is not finite.

        The sum over all processes is then not finite either, so all of them raise.
        """
        if not self.pending:
            return
        sums = processes.total(torch.stack(self.pending))
        first = self.steps - len(self.pending) + 1
        self.pending.clear()
        self.figures = self.figures or [0.0] * (sums.shape[1] - 1)
        for step, (finite, (loss, *figures)) in enumerate(
            zip(sums.isfinite().all(1).tolist(), sums.tolist(), strict=True), first
        ):
            if not finite:
                raise Diverged(f"the loss is {loss} at step {step} of epoch {self.epoch + 1}")
            if step == 1:
                self.first_loss = loss / self.first_batch
            self.loss_sum += loss
            self.figures = [one + more for one, more in zip(self.figures, figures, strict=True)]


class _Looks:
    """When to check the loss: at the end, and every half second; at the same steps in all processes."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._looked = time.perf_counter()
        self._steps, self._pause = 0, 1

    def due(self) -> bool:
        """True if the loss is to be checked now; to be called after each step."""
        self._steps += 1
        return self._steps >= self._pause

    def done(self) -> None:
        """Sets the number of steps until the next check, from the time of the steps since the last one."""
        now = time.perf_counter()
        # The time of the slowest process gives the same number in all of them.
        seconds = self._processes.largest(now - self._looked)
        self._pause = max(1, int(_LOOK * self._steps / seconds))
        self._looked, self._steps = now, 0


def images_of(epoch: int, recipe: Recipe, count: int) -> int:
    """The number of images of an epoch, counted from 0, with `count` training images: those of a whole one,
    or in the last of 9.9 epochs nine tenths of its batches.
    """
    whole = whole_epoch(recipe, count)
    batches = -(-whole // recipe.batch)
    # Rounded, so that 0.1 is one batch of ten; the smallest part is one batch too.
    left = max(1, math.ceil(round(batches * (recipe.epochs - epoch), 6)))
    return min(whole, left * recipe.batch) if epoch < recipe.epochs else whole


def whole_epoch(recipe: Recipe, count: int) -> int:
    """The number of images of a whole epoch: all of them, or with `drop_last` those of whole batches."""
    return count - count % recipe.batch if recipe.drop_last else count


def length(recipe: Recipe, count: int) -> float:
    """The length of a training in epochs; the last one is of whole batches."""
    last = math.ceil(recipe.epochs) - 1
    return last + images_of(last, recipe, count) / whole_epoch(recipe, count)


def order_of(data: Dataset, recipe: Recipe, epoch: int) -> Tensor:
    """The rows of an epoch's images, a function of the seed and the epoch."""
    labels, generator = data.train.labels.cpu(), seeds.generator("order", recipe.seed, epoch)
    if recipe.sampling == "shuffle":
        return torch.randperm(len(labels), generator=generator)
    weights = 1 / labels.bincount().double()[labels]
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


def draw_rows(recipe: Recipe, index: Tensor, places: Tensor) -> Tensor:
    """The rows of the draws for images with these rows in the split, at these places of the epoch's order."""
    # Of balanced classes, an image may come twice, each time with draws of its own.
    return places.to(index.device) if recipe.sampling == "balanced" else index


def scheduled(recipe: Recipe, count: int, losses: Sequence[float] = ()) -> Callable[[float], float]:
    """The learning rate at a moment in epochs, by the recipe's schedule, with `count` training images;
    `losses` are those on validation images after the epochs before.
    """
    epochs = length(recipe, count)
    return lambda moment: learning_rate(recipe.schedule, recipe.optimizer.lr, moment, epochs, losses)


def train_epoch(
    train_step: TrainStep,
    data: Dataset,
    progress: Progress,
    look: Callable[[bool], bool],
    workers: int = 0,
    rate: Callable[[float], float] | None = None,
) -> None:
    """Trains on each image once, from the position of `progress`, which it updates.

    `look` is called after each step with whether the sums are up to date, which is at the same steps in all
    processes, and returns whether to stop. `rate` is the learning rate at a moment in epochs, by default that
    of the recipe's schedule. Images in files are decoded by `workers` processes. Raises Diverged if the loss
    is not finite.
    """
    recipe, processes = train_step.recipe, train_step.processes
    epoch, count = progress.epoch, len(data.train)
    rate = rate or scheduled(recipe, count)
    size = data.train.images.shape[2], data.train.images.shape[3]
    whole, epochs = whole_epoch(recipe, count), length(recipe, count)
    progress.end = images_of(epoch, recipe, count)
    # These depend only on the seed and the epoch: a resumed epoch continues with the same ones.
    order = order_of(data, recipe, epoch)
    draws = augment.draw(recipe.augment, count, size, epoch, recipe.seed).to(train_step.speed.device)
    batches = split(order[progress.seen : progress.end], recipe.batch, 2 * processes.size)
    looks = _Looks(processes)
    started = time.perf_counter() - progress.seconds

    for batch in load(data.train.at(epoch), batches, processes, train_step.speed.device, workers):
        # The middle of the step: a warm-up starts above 0.
        middle = epoch + (progress.seen + batch.whole / 2) / whole
        at = Moment(middle, (epoch + (progress.seen + batch.whole) / whole) / epochs)
        progress.lr = rate(middle)
        # For dropout and stochastic depth.
        torch.manual_seed(seeds.derived("layers", recipe.seed, epoch, progress.seen, processes.rank))
        rows = draw_rows(recipe, batch.index, processes.share(progress.seen + torch.arange(batch.whole)))
        progress.pending.append(train_step.step(batch, draws[rows], data, progress.lr, at))

        if not progress.steps:
            progress.first_batch = batch.whole
        progress.seen += batch.whole
        progress.steps += 1
        due = looks.due() or progress.complete
        if due:
            progress.settle(processes)
            progress.seconds = time.perf_counter() - started
            looks.done()
        if look(due):
            break
    progress.settle(processes)
    progress.seconds = time.perf_counter() - started
