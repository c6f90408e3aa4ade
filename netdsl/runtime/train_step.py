"""One training step: from a batch to new weights, and the state that steps change."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, image_steps, optim
from netdsl.runtime.augment import Draws
from netdsl.runtime.average import build_average
from netdsl.runtime.batches import Batch
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import Processes
from netdsl.runtime.model import Model
from netdsl.runtime.replica import Objective, Replica
from netdsl.runtime.speed import Speed
from netdsl.runtime.task import Task, classification


@dataclass(frozen=True, slots=True)
class Tuning:
    """Differences in how weights and batch norms of a network are trained, in its order: the rates of each
    parameter, and which norms stay in evaluation mode.
    """

    rates: Sequence[optim.Rates] = ()
    fixed_norms: Sequence[bool] = ()


class Moment(NamedTuple):
    """The time of a step: `epoch` in its middle, from 0 with a fraction, and the `elapsed` share of the
    training after it.
    """

    epoch: float = 0.0
    elapsed: float = 0.0


START = Moment()


class TrainStep:
    """A model, its optimizer, and the average of its weights if the recipe has one.

    `objective` takes normalised images (n, C, H, W) and their targets (n, ...) and returns the sums of their
    losses and of the task's figures; compiling replaces it.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        speed: Speed,
        processes: Processes,
        task: Task | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """Without a `task`, it is classification, with the recipe's loss."""
        tuning = tuning or Tuning()
        for parameter, rates in zip(model.parameters, tuning.rates, strict=bool(tuning.rates)):
            parameter.requires_grad_(parameter.requires_grad and rates.lr > 0 and rates.epochs > 0)
        model.fix_norms(tuning.fixed_norms)
        self.model = model
        self.task = task or classification(recipe)
        self.recipe = recipe
        self.speed = speed
        self.processes = processes
        self._replica = Replica(model.parameters, processes)
        self.optimizer = optim.build(
            model.parameters,
            recipe.optimizer,
            fused=speed.fused,
            rates=tuning.rates,
            scaler=speed.gradient_scaler(),
        )
        self.average = build_average(recipe.average, model)
        self.objective: Objective = self.plain_objective

    @property
    def compiled(self) -> bool:
        return self.objective != self.plain_objective

    def plain_objective(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with self.speed.autocast():
            outputs = self.model.outputs(images, training=True)
        return self.task.objective(outputs, targets)

    def step(self, batch: Batch, draws: Draws, data: Dataset, lr: float, at: Moment = START) -> Tensor:
        """One update of the weights; `draws` are the augmentation's for the batch's images.

        Returns the sums of this process's losses and figures, (1 + k,) on the device.
        """
        distance = image_steps.partner_distance(batch.whole, self.processes.size)
        x, targets = augment.apply(
            data.floats(batch.images), batch.targets, self.recipe.augment, draws, data.mean, distance
        )
        x = self.speed.laid_out(data.normalise(x))
        sums = self.gradients(x, targets, batch.whole)
        self.optimizer.step(lr, self.recipe.clip, at.epoch)
        if self.average is not None:
            self.average.update(at.elapsed)
        return sums

    def gradients(self, x: Tensor, targets: Tensor, whole: int) -> Tensor:
        """Adds the gradients of the mean loss of a batch of `whole` images, times the optimizer's
        `gradient_scale`; `x` are this process's part.

        Each process must have at least one image.
        """
        self.model.prepare(training=True)
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()
        sums = torch.zeros(1 + len(self.task.figures), device=x.device)
        # Parts of the whole batch, of all processes; each has images of this one.
        parts = min(self.recipe.accumulate, whole // self.processes.size)
        ends = [self.processes.count(whole * part // parts) for part in range(parts + 1)]
        usual = self.processes.count(self.recipe.batch // self.recipe.accumulate)
        for start, end in pairwise(ends):
            # Compiled code is for one size; the last batch of an epoch is often smaller.
            objective = self.objective if end - start == usual else self.plain_objective
            with self._replica.summing(last=end == len(x)):
                loss, figures = self._replica(objective, x[start:end], targets[start:end])
                # Gradients are averaged over the processes: the factor makes their mean that of the batch.
                self.optimizer.scaled(loss * (self.processes.size / whole)).backward()
            sums += torch.cat((loss.detach()[None], figures.detach()))
        return sums

    def averaged(self) -> AbstractContextManager[object]:
        """Inside the block the model has the weights to evaluate and save: the averaged ones, if any."""
        return nullcontext() if self.average is None else self.average.applied()

    def state(self) -> dict[str, Tensor]:
        """The state that training changes, by name; the tensors are its own, not copies."""
        parts = {"model": self.model.state(), "optimizer": self.optimizer.state()}
        if self.average is not None:
            parts["average"] = self.average.state()
        if scaler := self.optimizer.scaler_state():
            parts["scaler"] = scaler
        return {f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()}

    def load(self, checkpoint: Checkpoint) -> None:
        """Restores a state. Raises RunError if it belongs to another network or recipe."""
        self.model.load_state(checkpoint.part("model"))
        self.optimizer.load_state(checkpoint.part("optimizer"))
        if self.average is not None:
            self.average.load_state(checkpoint.part("average"))
        self.optimizer.load_scaler_state(checkpoint.part("scaler"))
