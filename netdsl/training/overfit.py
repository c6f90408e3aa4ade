"""`netdsl train --overfit N`: checks that a network can overfit a few images, and diagnoses why not.

A network that can't overfit a few images will not learn the whole data set, and the check takes seconds
(Karpathy 2019, "A Recipe for Training Neural Networks": overfit one batch).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from rich.console import Console

from netdsl.compiler import Compiled, compile_network
from netdsl.language.recipe import CrossEntropy, Recipe
from netdsl.network import CompiledNetwork
from netdsl.runtime.batches import load_batch
from netdsl.runtime.console import say, warn
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import Diverged, RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.first_loss import complaint, guessing
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.metrics import METRICS
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.task import Classification, Task
from netdsl.runtime.train_step import TrainStep
from netdsl.trained import initial_weights
from netdsl.trained.failure import failures_located
from netdsl.trained.open_run import convolutions, create_model
from netdsl.trained.run_settings import require_style
from netdsl.trained.tasks import task_of
from netdsl.training.dataset_cache import DatasetCache

# The most epochs, of classifiers and of networks with several answers for an image.
_EPOCHS, _LONGER = 200, 400
# Settings of the recipe that make overfitting harder are disabled.
_BARE = {
    "validation": "0",
    "drop_last": "no",
    "augment": "none",
    "average": "none",
    "schedule": "constant",
    "optimizer.weight_decay": "0",
    "accumulate": "1",
    "clip": "none",
    "patience": "none",
    "sampling": "shuffle",
}
# The ratio of two gradients, each relative to its weights, from which the smaller one counts as vanished.
_VANISHED = 1e6


@dataclass(frozen=True, slots=True)
class Attempt:
    """A training on the images with one learning rate.

    `loss` is the mean of its last epoch, infinite if it diverged; `score`, 0 to 1, the best value of the
    task's metric, whose name is `metric`, and `enough` what it is to reach.
    `first_loss` and `last_loss` are of the same batch, before and after; so are `before` and `after`, the
    norms of the gradients of kernels by name, each relative to the norm of its weights.
    """

    lr: float
    steps: int
    metric: str
    score: float
    enough: float
    first_loss: float
    last_loss: float
    loss: float
    before: dict[str, float]
    after: dict[str, float]

    @property
    def succeeded(self) -> bool:
        return self.score >= self.enough

    def __str__(self) -> str:
        return f"{METRICS[self.metric]} {self.score:.1%}"


def overfit(
    compiled: Compiled,
    overrides: Mapping[str, str],
    style: str,
    images: int,
    request: SpeedRequest,
) -> None:
    """Trains on `images` images until the task's metric is enough, and prints the results.

    Without augmentation, weight decay, averages, smoothing and validation, at the constant learning rate of
    the recipe's optimizer. If that fails, a tenth and ten times of the rate are tried; then RunError has the
    diagnosis.
    """
    size = {"images": str(images), "batch": str(min(CompiledNetwork(compiled).recipe.batch, images))}
    bare = {key: value for key, value in overrides.items() if key not in _BARE} | _BARE | size
    network = CompiledNetwork(
        compile_network(compiled.source, compiled.settings, bare, compiled.used.__getitem__)
    )
    recipe, console = network.recipe, Console()
    task, speed = task_of(network), choose(request, convolutions(network))
    if isinstance(task, Classification):
        task = replace(task, loss=CrossEntropy())
    data = _in_memory(DatasetCache().of(network, request, speed, console)).to(speed.device)
    speed.prepare()

    def attempt(lr: float) -> Attempt:
        with failures_located(network, require_style(style)):
            return _attempt(network, style, data, _with_lr(recipe, lr), speed, task)

    first = attempt(recipe.optimizer.lr)
    classes = len(data.classes) if task.guesses else None
    say(
        console,
        f"{network.name}: {images} images in batches of {recipe.batch}, learning rate {first.lr:g}, without "
        "augmentation, weight decay and validation",
    )
    guessed = "" if classes is None else f"; guessing has {guessing(classes):.4g}"
    say(console, f"first loss {first.first_loss:.4g}{guessed}")
    say(console, f"{first} after {first.steps} steps, loss {first.loss:.4g}")
    if not first.succeeded:
        others = [attempt(lr) for lr in (first.lr / 10, first.lr * 10)]
        for other in others:
            say(
                console, f"learning rate {other.lr:g}: {other} after {other.steps} steps, "
                f"loss {other.loss:.4g}"
            )  # fmt: skip
        message, help = diagnosis(first, others, classes)
        raise RunError(f"{network.name} can't learn {images} images by heart: {message}", help)
    if classes is not None and (found := complaint(first.first_loss, classes)):
        warn(console, *found)
    say(console, "the network can learn these images by heart: data, loss and gradients work together")


def diagnosis(first: Attempt, others: list[Attempt], classes: int | None) -> tuple[str, str]:
    """Why an attempt failed, and a help; `others` have a lower and a higher learning rate. `classes` are None
    if the loss of guessing is unknown.
    """
    if not math.isfinite(first.first_loss) or not all(map(math.isfinite, first.before.values())):
        return "its outputs or gradients are not finite from the start", (
            "start with smaller weights (`init kaiming`), or normalise: `bn` after convolutions"
        )
    if dead := [name for name, norm in first.before.items() if norm == 0 == first.after[name]]:
        shown = ", ".join(dead[:3]) + (f" and {len(dead) - 3} more" if len(dead) > 3 else "")
        return f"no gradient reaches {shown}", (
            "weights initialised to zero, or activations that are always zero, block it: use `init kaiming`"
        )
    best = min([first, *others], key=lambda attempt: (-attempt.succeeded, attempt.loss))
    rising = first.loss > 1.5 * max(first.first_loss, 0 if classes is None else guessing(classes))
    if best.lr < first.lr or rising:
        reason = "the loss rises" if rising else f"at {best.lr:g} it reaches {best}"
        return f"the learning rate {first.lr:g} is too high: {reason}", _try(first.lr / 10)
    if best.lr > first.lr and (best.succeeded or best.loss < 0.8 * first.loss):
        return (
            f"the learning rate {first.lr:g} is too low: at {best.lr:g} it reaches {best}",
            _try(best.lr),
        )
    if classes is not None and (found := complaint(first.first_loss, classes)):
        return found
    least = min(first.before, key=first.before.__getitem__, default="")
    if first.before and max(first.before.values()) > _VANISHED * first.before[least]:
        return f"the gradients vanish on their way to {least}", (
            "normalise (`bn` after convolutions), use `init kaiming`, or build blocks with `skip`"
        )
    if all(abs(other.last_loss / other.first_loss - 1) < 0.05 for other in [first, *others]):
        return (
            f"the loss does not change at the learning rate {first.lr:g}, or at ten times that",
            _try(1000 * first.lr),
        )
    return f"it stays at {first}", (
        "make the network larger, remove `dropout`, or check whether equal images have different labels"
    )


def _in_memory(data: Dataset) -> Dataset:
    """The data with the same images in each epoch, even if they are drawn."""
    every = torch.arange(len(data.train))
    batch = load_batch(data.train, every, torch.device("cpu"))
    return replace(data, train=replace(data.train, images=batch.images, labels=batch.targets))


def _attempt(
    network: CompiledNetwork, style: str, data: Dataset, recipe: Recipe, speed: Speed, task: Task
) -> Attempt:
    """Trains new weights until they overfit the images, diverge, or reach the most epochs."""
    model = create_model(network, require_style(style), recipe.seed, speed.device)
    initial_weights.whiten(network, model, data, None)
    model.to(speed.device, speed.layout)
    train_step = TrainStep(model, recipe, speed, ALONE, task)
    first_loss, before = _gradients(train_step, data)
    steps, best, loss = 0, 0.0, math.inf
    try:
        for epoch in range(_EPOCHS if isinstance(task, Classification) else _LONGER):
            progress = Progress(epoch, len(data.train))
            train_epoch(train_step, data, progress, lambda _: False)
            steps, loss = steps + progress.steps, progress.loss
            scores = evaluate(model, data, data.train, speed, task=task)
            # In training or in evaluation mode: either is enough.
            best = max(best, progress.means(task.figures).get(task.metric, 0), scores[task.metric])
            if best >= task.enough:
                break
        last_loss, after = _gradients(train_step, data)
    except Diverged:
        steps, loss = steps + progress.steps, math.inf
        last_loss, after = math.inf, dict.fromkeys(before, math.inf)
    return Attempt(
        recipe.optimizer.lr,
        steps,
        task.metric,
        best,
        task.enough,
        first_loss,
        last_loss,
        loss,
        before,
        after,
    )


def _gradients(train_step: TrainStep, data: Dataset) -> tuple[float, dict[str, float]]:
    """The mean loss of a batch, and the norms of its gradients as in `Attempt.before`."""
    batch = load_batch(data.train, torch.arange(train_step.recipe.batch), train_step.speed.device)
    x = data.inputs(batch.images, train_step.speed.layout)
    loss = train_step.gradients(x, batch.targets, batch.whole)[0].item() / batch.whole
    names = {tensor.data_ptr(): name for name, tensor in train_step.model.state().items()}
    shares, scale = {}, train_step.optimizer.gradient_scale
    for weight in train_step.model.parameters:
        if weight.grad is not None and weight.dim() in (2, 4):
            norm = weight.grad.norm().item() / scale
            shares[names[weight.data_ptr()]] = norm / max(weight.norm().item(), 1e-12)
        weight.grad = None
    return loss, shares


def _with_lr(recipe: Recipe, lr: float) -> Recipe:
    return replace(recipe, optimizer=replace(recipe.optimizer, lr=lr))


def _try(lr: float) -> str:
    return f"try `--optimizer.lr {lr:g}`"
