"""One epoch of training: batches, augmentation, loss, gradients, update."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from netdsl.runtime import augment, seeds
from netdsl.runtime.batches import load, split
from netdsl.runtime.data import Dataset
from netdsl.runtime.errors import Diverged
from netdsl.runtime.learner import Learner
from netdsl.runtime.optim import learning_rate

# Seconds between two looks at the loss: on a GPU each look waits for all the work handed to it.
_LOOK = 0.5


@dataclass(slots=True)
class Progress:
    """Where an epoch, counted from 0, stands: sums over the images `seen` of `of_images`.

    `seconds` are those spent on it so far, `lr` is the last learning rate. `first_loss` is the mean loss of
    its first batch, of `first_batch` images; None until the device has told it, and in a resumed epoch.
    """

    epoch: int
    of_images: int
    seen: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    right: int = 0
    lr: float = 0.0
    seconds: float = 0.0
    first_batch: int = 0
    first_loss: float | None = None
    # What the device has still to tell: of each step the sum of the losses and the right answers, (2,).
    pending: list[Tensor] = field(default_factory=list)

    @property
    def loss(self) -> float:
        return self.loss_sum / self.seen

    @property
    def accuracy(self) -> float:
        return self.right / self.seen

    @property
    def images_per_second(self) -> float:
        return self.seen / self.seconds

    @property
    def complete(self) -> bool:
        return self.seen == self.of_images

    def settle(self) -> None:
        """Waits for the device and adds up. Raises Diverged where a step's loss is not finite."""
        if not self.pending:
            return
        figures = torch.stack(self.pending)
        first = self.steps - len(self.pending) + 1
        self.pending.clear()
        for step, (finite, (loss, right)) in enumerate(
            zip(figures.isfinite().all(1).tolist(), figures.tolist(), strict=True), first
        ):
            if not finite:
                raise Diverged(f"the loss is {loss} at step {step} of epoch {self.epoch + 1}")
            if step == 1:
                self.first_loss = loss / self.first_batch
            self.loss_sum += loss
            self.right += int(right)


def train_epoch(
    learner: Learner, data: Dataset, progress: Progress, look: Callable[[bool], bool], workers: int = 0
) -> None:
    """Trains on each image once, from where `progress` stands, and moves it on.

    `look` is asked after each step whether to end here; it is told whether the sums are up to date.
    Images in files are decoded by `workers` processes. Raises Diverged where the loss is not finite.
    """
    recipe, epoch, count = learner.recipe, progress.epoch, progress.of_images
    size = data.train.images.shape[2], data.train.images.shape[3]
    # Functions of the seed and the epoch alone: a resumed epoch goes on with the same ones.
    order = torch.randperm(count, generator=seeds.generator("order", recipe.seed, epoch))
    draws = augment.draw(recipe.augment, count, size, epoch, recipe.seed).to(learner.speed.device)
    batches = split(order[progress.seen :], recipe.batch)
    looked = time.perf_counter()
    started = looked - progress.seconds

    for batch in load(data.train, batches, learner.world, learner.speed.device, workers):
        moment = epoch + (progress.seen + batch.whole / 2) / count  # The middle: a warm-up's first isn't 0.
        progress.lr = learning_rate(recipe.schedule, recipe.optimizer.lr, moment, recipe.epochs)
        # What dropout and stochastic depth draw from.
        torch.manual_seed(seeds.derived("layers", recipe.seed, epoch, progress.seen, learner.world.rank))
        progress.pending.append(learner.step(batch, draws[batch.index], data, progress.lr))

        if not progress.steps:
            progress.first_batch = batch.whole
        progress.seen += batch.whole
        progress.steps += 1
        due = progress.complete or time.perf_counter() - looked > _LOOK
        if due:
            progress.settle()
            looked = time.perf_counter()
            progress.seconds = looked - started
        if look(due):
            break
    progress.settle()
    progress.seconds = time.perf_counter() - started
