"""Training from the first epoch to the report on the test images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from netdsl.recipe import Recipe
from netdsl.runtime import checkpoint, metrics, plot
from netdsl.runtime.data import Dataset
from netdsl.runtime.display import Display
from netdsl.runtime.errors import Interrupted, RunError
from netdsl.runtime.evaluate import Scores, evaluate
from netdsl.runtime.loop import Progress, diverged, train_epoch
from netdsl.runtime.memory import keep_freed_memory
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.model import FunctionalModel, Model
from netdsl.runtime.optim import build
from netdsl.runtime.preprocessing import Preprocessing

BEST = "best.safetensors"
LAST = "last.safetensors"


@dataclass(frozen=True, slots=True)
class Report:
    """What came out of a run. Accuracies are shares from 0 to 1; the test is with the best weights.

    `validation_accuracy` is None where no images are held out: the best weights are then the last.
    `epochs` has a fraction where the run was stopped early; `seconds` is all of the run,
    `images_per_second` the training alone.
    """

    validation_accuracy: float | None
    test_accuracy: float
    test_loss: float
    epochs: float
    seconds: float
    images_per_second: float


def choose_device(name: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Raises RunError for cuda where there is none."""
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise RunError("torch finds no CUDA device", "use `--device cpu`, or `auto`")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def require_new(run: Path) -> None:
    """Raises RunError where the folder already holds a run."""
    if (run / metrics.FILE).exists():
        raise RunError(f"{run} already holds a run", "choose another folder: `--run`")


def train(
    model: Model,
    data: Dataset,
    recipe: Recipe,
    run: Path,
    device: torch.device,
    console: Console,
    stop: Callable[[], bool] | None = None,
    each_epoch: Callable[[Metrics], None] | None = None,
) -> Report:
    """Trains the model as the recipe says, and leaves it with the best weights.

    Writes `metrics.jsonl`, `last.safetensors` and `best.safetensors` into `run` after each epoch,
    and at the end `curves.png`. `stop` is asked after each batch and ends the training early;
    `each_epoch` is given what was measured.
    Raises RunError where the run exists, the loss is not finite or memory is short, and Interrupted
    on Ctrl-C; what was written before stays valid.
    """
    require_new(run)
    started = time.perf_counter()
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(recipe.seed)  # What dropout draws from.
    generator = torch.Generator(device).manual_seed(recipe.seed)
    model.to(device)
    data = data.to(device)
    manual = isinstance(model, FunctionalModel)
    update = build(model.parameters, recipe.optimizer, manual=manual)
    described = Preprocessing.of(data).metadata()
    rows: list[Metrics] = []
    epochs: list[Progress] = []
    try:
        with Display(console, recipe.epochs) as display:
            for epoch in range(recipe.epochs):
                done = train_epoch(
                    model, data, recipe, epoch, update, generator, display.show, stop or _never
                )
                held_out = evaluate(model, data, data.validation) if len(data.validation) else None
                _require_finite(model, held_out, epoch)
                row = _row(epoch, done, held_out, time.perf_counter() - started)
                _save(run, model, [*rows, row], described)
                rows.append(row)
                epochs.append(done)
                display.line(row)
                if each_epoch:
                    each_epoch(row)
                if done.steps < done.of_steps:
                    break
        plot.curves(run)
        model.load_state(checkpoint.load(run / BEST))
        test = evaluate(model, data, data.test)
    except KeyboardInterrupt:
        saved = f"the weights after epoch {len(rows)} are in {run}" if rows else "nothing is saved"
        raise Interrupted(f"stopped by Ctrl-C; {saved}") from None
    except RuntimeError as error:
        # On the CPU torch raises a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise RunError(f"the memory of {device} is full", "use a smaller `batch`") from error
    return Report(
        validation_accuracy=max(_accuracies(rows), default=None),
        test_accuracy=test.accuracy,
        test_loss=test.loss,
        epochs=rows[-1].epoch,
        seconds=time.perf_counter() - started,
        images_per_second=sum(e.images for e in epochs) / sum(e.seconds for e in epochs),
    )


def _never() -> bool:
    return False


def _require_finite(model: Model, held_out: Scores | None, epoch: int) -> None:
    """Raises RunError where weights aren't numbers any more: they are not to replace good ones."""
    weights = all(bool(tensor.isfinite().all()) for tensor in model.state().values())
    if not weights or not math.isfinite(held_out.loss if held_out else 0.0):
        what = "the loss on the validation images is" if weights else "the weights are"
        raise diverged(f"{what} not finite after epoch {epoch + 1}")


def _row(epoch: int, done: Progress, held_out: Scores | None, seconds: float) -> Metrics:
    return Metrics(
        epoch=epoch + (1 if done.steps == done.of_steps else done.steps / done.of_steps),
        lr=done.lr,
        loss=done.loss,
        accuracy=done.accuracy,
        validation_loss=held_out.loss if held_out else None,
        validation_accuracy=held_out.accuracy if held_out else None,
        images_per_second=done.images_per_second,
        seconds=seconds,
    )


def _save(run: Path, model: Model, rows: list[Metrics], metadata: dict[str, str]) -> None:
    """The state after an epoch; `rows[-1]` is its own."""
    state = model.state()
    checkpoint.save(run / LAST, state, metadata)
    *earlier, latest = rows
    if latest.validation_accuracy is None or latest.validation_accuracy > max(
        _accuracies(earlier), default=-1
    ):
        checkpoint.save(run / BEST, state, metadata)
    metrics.write(run, rows)


def _accuracies(rows: list[Metrics]) -> list[float]:
    """The accuracies on the validation images, where there are any."""
    return [row.validation_accuracy for row in rows if row.validation_accuracy is not None]
