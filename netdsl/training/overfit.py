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
from netdsl.language.recipe import Recipe
from netdsl.network import CompiledNetwork
from netdsl.runtime.batches import load_batch
from netdsl.runtime.console import say, warn
from netdsl.runtime.data import Dataset
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import Diverged, RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.first_loss import complaint, guessing
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.speed import Speed, SpeedRequest, choose
from netdsl.runtime.train_step import TrainStep
from netdsl.trained.failure import failures_located
from netdsl.trained.open_run import convolutions, create_model
from netdsl.trained.run_settings import require_style
from netdsl.training.dataset_cache import DatasetCache

# The accuracy to reach, and the most epochs.
_ENOUGH, _EPOCHS = 0.99, 200
# Settings of the recipe that make overfitting harder are disabled.
_BARE = {
    "validation": "0",
    "augment": "none",
    "average": "none",
    "schedule": "constant",
    "optimizer.weight_decay": "0",
    "loss": "cross_entropy",
    "accumulate": "1",
}
# The ratio of two gradients, each relative to its weights, from which the smaller one counts as vanished.
_VANISHED = 1e6


@dataclass(frozen=True, slots=True)
class Attempt:
    """A training on the images with one learning rate.

    `loss` is the mean of its last epoch, infinite if it diverged; `accuracy`, 0 to 1, the best one.
    `first_loss` and `last_loss` are of the same batch, before and after; so are `before` and `after`, the
    norms of the gradients of kernels by name, each relative to the norm of its weights.
    """

    lr: float
    steps: int
    accuracy: float
    first_loss: float
    last_loss: float
    loss: float
    before: dict[str, float]
    after: dict[str, float]

    @property
    def succeeded(self) -> bool:
        return self.accuracy >= _ENOUGH


def overfit(
    compiled: Compiled,
    overrides: Mapping[str, str],
    style: str,
    images: int,
    request: SpeedRequest,
) -> None:
    """Trains on `images` images until 99 % of them are right, and prints the results.

    Without augmentation, weight decay, averages, smoothing and validation, at the constant learning rate of
    the recipe's optimizer. If that fails, a tenth and ten times of the rate are tried; then RunError has the
    diagnosis.
    """
    if CompiledNetwork(compiled).typed.network.detect:
        raise RunError(
            "`--overfit` counts images that are classified right, and the network is a detector",
            "train it on a few images: `--images 16 --batch 16 --validation 0 --epochs 100`",
        )
    size = {"images": str(images), "batch": str(min(CompiledNetwork(compiled).recipe.batch, images))}
    bare = {key: value for key, value in overrides.items() if key not in _BARE} | _BARE | size
    network = CompiledNetwork(
        compile_network(compiled.source, compiled.settings, bare, compiled.used.__getitem__)
    )
    recipe, console = network.recipe, Console()
    speed = choose(request, convolutions(network))
    data = DatasetCache().of(network, request, speed, console).to(speed.device)
    speed.prepare()

    def attempt(lr: float) -> Attempt:
        with failures_located(network, require_style(style)):
            return _attempt(network, style, data, _with_lr(recipe, lr), speed)

    first = attempt(recipe.optimizer.lr)
    classes = len(data.classes)
    say(
        console,
        f"{network.name}: {images} images in batches of {recipe.batch}, learning rate {first.lr:g}, without "
        "augmentation, weight decay and validation",
    )
    say(console, f"first loss {first.first_loss:.4g}; guessing has {guessing(classes):.4g}")
    say(console, f"{_accuracy(first)} after {first.steps} steps, loss {first.loss:.4g}")
    if not first.succeeded:
        others = [attempt(lr) for lr in (first.lr / 10, first.lr * 10)]
        for other in others:
            say(
                console, f"learning rate {other.lr:g}: {_accuracy(other)} after {other.steps} steps, "
                f"loss {other.loss:.4g}"
            )  # fmt: skip
        message, help = diagnosis(first, others, classes)
        raise RunError(f"{network.name} can't learn {images} images by heart: {message}", help)
    if found := complaint(first.first_loss, classes):
        warn(console, *found)
    say(console, "the network can learn these images by heart: data, loss and gradients work together")


def diagnosis(first: Attempt, others: list[Attempt], classes: int) -> tuple[str, str]:
    """Why an attempt failed, and a help; `others` have a lower and a higher learning rate."""
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
    rising = first.loss > 1.5 * max(first.first_loss, guessing(classes))
    if best.lr < first.lr or rising:
        reason = "the loss rises" if rising else f"at {best.lr:g} it reaches {_accuracy(best)}"
        return f"the learning rate {first.lr:g} is too high: {reason}", _try(first.lr / 10)
    if best.lr > first.lr and (best.succeeded or best.loss < 0.8 * first.loss):
        return (
            f"the learning rate {first.lr:g} is too low: at {best.lr:g} it reaches {_accuracy(best)}",
            _try(best.lr),
        )
    if found := complaint(first.first_loss, classes):
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
    return f"it stays at {_accuracy(first)}", (
        "make the network larger, remove `dropout`, or check whether equal images have different labels"
    )


def _attempt(network: CompiledNetwork, style: str, data: Dataset, recipe: Recipe, speed: Speed) -> Attempt:
    """Trains new weights until they overfit the images, diverge, or reach the most epochs."""
    model = create_model(network, require_style(style), recipe.seed, speed.device)
    model.to(speed.device, speed.layout)
    train_step = TrainStep(model, recipe, speed, ALONE)
    first_loss, before = _gradients(train_step, data)
    steps, best, loss = 0, 0.0, math.inf
    try:
        for epoch in range(_EPOCHS):
            progress = Progress(epoch, len(data.train))
            train_epoch(train_step, data, progress, lambda _: False)
            steps, loss = steps + progress.steps, progress.loss
            scores = evaluate(model, data, data.train, speed)
            # In training or in evaluation mode: either is enough.
            best = max(best, *progress.means(train_step.task.figures).values(), scores["accuracy"])
            if best >= _ENOUGH:
                break
        last_loss, after = _gradients(train_step, data)
    except Diverged:
        steps, loss = steps + progress.steps, math.inf
        last_loss, after = math.inf, dict.fromkeys(before, math.inf)
    return Attempt(recipe.optimizer.lr, steps, best, first_loss, last_loss, loss, before, after)


def _gradients(train_step: TrainStep, data: Dataset) -> tuple[float, dict[str, float]]:
    """The mean loss of a batch, and the norms of its gradients as in `Attempt.before`."""
    batch = load_batch(data.train, torch.arange(train_step.recipe.batch), train_step.speed.device)
    x = data.inputs(batch.images, train_step.speed.layout)
    loss = train_step.gradients(x, batch.targets, batch.whole)[0].item() / batch.whole
    names = {tensor.data_ptr(): name for name, tensor in train_step.model.state().items()}
    shares = {}
    for weight in train_step.model.parameters:
        if weight.grad is not None and weight.dim() in (2, 4):
            norm = weight.grad.norm().item()
            shares[names[weight.data_ptr()]] = norm / max(weight.norm().item(), 1e-12)
        weight.grad = None
    return loss, shares


def _with_lr(recipe: Recipe, lr: float) -> Recipe:
    return replace(recipe, optimizer=replace(recipe.optimizer, lr=lr))


def _accuracy(attempt: Attempt) -> str:
    return f"{attempt.accuracy:.1%} right"


def _try(lr: float) -> str:
    return f"try `--optimizer.lr {lr:g}`"
