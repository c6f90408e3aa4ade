"""Training from the start or from a checkpoint to the report on the test images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from signal import Signals

import torch
from rich.console import Console
from torch import Tensor

from netdsl.base.typed_json import Seconds, Share, typed
from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, batches, first_loss, metrics, plot
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.compiling import Decision, decide
from netdsl.runtime.console import say, warn
from netdsl.runtime.data import Dataset
from netdsl.runtime.display import Display
from netdsl.runtime.distributed import Processes
from netdsl.runtime.errors import Diverged, Interrupted, RunError, damaged
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.image_files import free_cores
from netdsl.runtime.images import Split
from netdsl.runtime.loop import Progress, images_of, scheduled, train_epoch
from netdsl.runtime.memory import fitting_batch, is_out_of_memory, keep_freed_memory
from netdsl.runtime.metrics import METRICS, Metrics, with_prefix
from netdsl.runtime.model import Model, require_match
from netdsl.runtime.run_files import CHECKPOINT, Run, require_new
from netdsl.runtime.speed import Speed, SpeedRequest
from netdsl.runtime.stopping import Stop, on_signals
from netdsl.runtime.task import Task
from netdsl.runtime.train_step import TrainStep, Tuning

# Seconds between two checkpoints within an epoch.
SAVE_EVERY = 600.0
EAGER = SpeedRequest(compile="off", workers=0)


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a run.

    `test` are the scores of the best weights on the test images: the loss, the task's `metric`, and others.
    `validation_score` is the best one of an epoch, None without validation: the best weights are then the
    last ones. `seconds` is the time of the whole run, `images_per_second` excludes evaluation.
    """

    metric: str
    validation_score: Share | None
    test: dict[str, float]
    epochs: float
    seconds: Seconds
    images_per_second: float

    @property
    def test_score(self) -> float:
        """The task's metric on the test images."""
        return self.test[self.metric]

    def to_json(self) -> dict[str, object]:
        """The results by name, the scores with the name of their part."""
        values = asdict(self)
        del values["metric"], values["test"], values["validation_score"]
        test = {f"test_{name}": value for name, value in self.test.items()}
        return {f"validation_{self.metric}": self.validation_score, **test, **values}

    @staticmethod
    def of_json(values: Mapping[str, object]) -> Report:
        """The results of an object of JSON. Raises ValueError if a value is missing or invalid."""
        test = with_prefix(values, "test_")
        metric = next((name for name in test if name in METRICS), "accuracy")
        if metric not in test:
            raise ValueError(f"`test_{metric}` is missing")
        typed(Share, test[metric], f"test_{metric}")
        score = values.get(f"validation_{metric}")
        return typed(Report, {**values, "metric": metric, "validation_score": score, "test": test})


def train(
    model: Model,
    data: Dataset,
    recipe: Recipe,
    run: Run,
    speed: Speed,
    console: Console,
    request: SpeedRequest = EAGER,
    task: Task | None = None,
) -> Report:
    """Trains a model in a new run, as `Training.train` does. Raises RunError if the folder holds a run."""
    if run.writes:
        require_new(run.folder)
    return Training(model, data, recipe, run, speed, console, request, task).train()


def require_trainable(data: Dataset, recipe: Recipe) -> None:
    """Raises RunError if there are too few images, or they are too small, for the recipe."""
    if len(data.train) < recipe.batch:
        raise RunError(
            f"there are {len(data.train)} training images, fewer than a batch of {recipe.batch}",
            f"use a smaller batch: `--batch {max(1, len(data.train) // 4)}`",
        )
    if recipe.sampling == "balanced" and data.train.labels.dim() != 1:
        raise RunError("only images with one class each can be balanced", "leave `sampling` out")
    height, width = data.train.images.shape[2:]
    augment.draw(recipe.augment, 0, (height, width), 0, recipe.seed)


def is_complete(rows: Sequence[Metrics], recipe: Recipe) -> bool:
    """True after the last epoch of a recipe, or after its `patience` with none better than the best."""
    if not rows or len(rows) >= recipe.epochs:
        return len(rows) >= recipe.epochs
    waited = len(rows) - 1 - rows.index(metrics.best(rows))
    return recipe.patience is not None and waited >= recipe.patience


class Training:
    """A run's training, to the end of its recipe.

    All processes of the run call the same methods. Creating it and `restore` write nothing, so that all is
    checked before a file is replaced. Of the `request`, what `speed` doesn't say is used; batch norms that
    are "sync" give the weights of one process up to rounding, "local" ones use the images of their own
    process, and the running statistics are those of the first process.
    """

    def __init__(
        self,
        model: Model,
        data: Dataset,
        recipe: Recipe,
        run: Run,
        speed: Speed,
        console: Console,
        request: SpeedRequest,
        task: Task | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """Raises RunError if the data or the model don't suit the recipe or the processes."""
        require_trainable(data, recipe)
        local = run.processes.local_size
        self.started = time.perf_counter() - run.seconds  # The time of a resumed run counts on.
        self.compile = request.compile
        self.workers = max(1, free_cores() // local) if request.workers is None else request.workers
        self.run, self.console = run, console
        self.batch_norm = "sync" if request.batch_norm == "sync" else "local"
        if self.processes.size > 1 and self.batch_norm == "sync":
            model.synchronise(speed.device)
        speed.prepare()
        if speed.device.type == "cpu":
            keep_freed_memory()
        model.to(speed.device, speed.layout)
        self.train_step = TrainStep(model, recipe, speed, run.processes, task, tuning)
        self.data = data.to(speed.device)
        self.progress = Progress(0, len(data.train))
        # The time of the last checkpoint, and the position in it.
        self.saved, self.saved_position = time.perf_counter(), "before the first step"

    @property
    def recipe(self) -> Recipe:
        return self.train_step.recipe

    @property
    def speed(self) -> Speed:
        return self.train_step.speed

    @property
    def task(self) -> Task:
        return self.train_step.task

    @property
    def processes(self) -> Processes:
        return self.run.processes

    def restore(self, found: Checkpoint, progress: Progress) -> None:
        """Continues from the run's checkpoint. Raises RunError if it belongs to another network or recipe."""
        if progress.of_images != len(self.data.train):
            raise damaged(self.run.folder / CHECKPOINT, "its position is of other images")
        self.train_step.load(found)
        if self.run.rows:
            require_match(self.run.best, self.train_step.model.state())
        self.progress = progress

    def train(self, each_epoch: Callable[[Metrics], None] | None = None) -> Report:
        """Trains to the report; afterwards the model has the best weights.

        The run's files are written after each epoch, and a checkpoint every ten minutes within one;
        `each_epoch` is called with the metrics of each epoch. Raises RunError if the loss is not finite,
        memory is full or a file can't be written, and Interrupted on Ctrl-C, SIGTERM or SIGHUP: the run can
        then be resumed from its checkpoint.
        """
        run = self.run
        run.how |= {"processes": self.processes.size, "batch_norm": self.batch_norm}
        try:
            self._begin()
            with (
                on_signals(self.processes) as stop,
                Display(self.console, math.ceil(self.recipe.epochs), self.task, len(run.rows)) as display,
            ):
                while not is_complete(self.run.rows, self.recipe):
                    self._epoch(stop, display, each_epoch)
                # Inside `on_signals`, since an exception would break matplotlib's state.
                if run.writes:
                    with plot.drawn_if_possible(self.console):
                        plot.curves(run.folder)
            return self._report()
        except KeyboardInterrupt:  # Before or after the epochs, or a second one.
            raise self._interrupted(Signals.SIGINT) from None
        except Diverged as error:
            error.help = self._after_divergence()
            raise
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise RunError(
                "a batch norm can't compute the statistics of a single image's vector",
                "use a larger `--batch` or a smaller `--accumulate`: each part needs at least two images",
            ) from error
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside of `except`, since the exception keeps the step's memory alive.
        raise self._out_of_memory()

    def _where(self) -> str:
        progress, epochs = self.progress, self.recipe.epochs
        if progress.epoch >= epochs:
            return "after the last epoch"
        return f"in epoch {progress.epoch + 1} of {epochs}, after step {progress.steps}"

    def _begin(self) -> None:
        """Writes the first checkpoint, and decides whether to compile."""
        progress, recipe = self.progress, self.recipe
        left = images_of(progress.epoch, recipe, progress.of_images) - progress.seen
        batches.require_enough(recipe.batch, left, self.processes)
        run, count = self.run, self.processes.size
        # Before compiling, which takes long. A run resumed from here decides anew whether to compile.
        run.how = {**run.how, **self.speed.facts(), "compile": self.compile}
        self._save()
        order = torch.arange(progress.of_images)
        steps = len(batches.split(order, recipe.batch, 2 * count))
        decision = self.choose_compiled(math.ceil(steps * (recipe.epochs - progress.epoch)) - progress.steps)
        reasons = [*self.speed.reasons, str(decision)]
        if count > 1:
            reasons.append(f"{count} processes, {run.how['batch_norm']} batch norm")
        run.how |= {"compile": "on" if decision.on else "off", "reasons": reasons}
        run.write_views()
        say(self.console, f"{self.speed.device}: {', '.join(reasons)}")

    def choose_compiled(self, steps: int) -> Decision:
        """Compiles the step if that is asked for, or saves time in the remaining steps. Raises RunError."""
        example = self.example(self.recipe.batch)
        return decide(self.train_step, self.compile, example, steps, partial(say, self.console))

    def _epoch(self, stop: Stop, display: Display, each_epoch: Callable[[Metrics], None] | None) -> None:
        """Trains to the end of the current epoch, and writes the files."""
        progress = self.progress

        def look(up_to_date: bool) -> bool:
            if not up_to_date:
                # Processes must stop at the same step, and only agree at a check.
                return bool(stop) and self.processes.size == 1
            self._check_first_loss()
            display.show(progress)
            if time.perf_counter() - self.saved > SAVE_EVERY and not progress.complete:
                self._save()
            return stop.agreed(self.processes) is not None

        losses = [row.validation_loss or 0.0 for row in self.run.rows]
        rate = scheduled(self.recipe, progress.of_images, losses)
        train_epoch(self.train_step, self.data, progress, look, self.workers, rate)
        if progress.complete:
            row = self._finish_epoch()
            display.line(row, best=self.run.best_row is row)
            if each_epoch is not None:
                each_epoch(row)
        if signal := stop.agreed(self.processes):
            if not progress.complete:
                self._save()
            self.processes.wait()  # If one process ends, torchrun ends the others.
            raise self._interrupted(signal)

    def _check_first_loss(self) -> None:
        """Warns once about an unusual first loss; the run continues."""
        loss, how = self.progress.first_loss, self.run.how
        if self.progress.epoch or loss is None or "first_loss" in how:
            return
        how["first_loss"] = loss
        if not self.task.guesses:
            return
        how["guessing_loss"] = first_loss.guessing(len(self.data.classes))
        if found := first_loss.complaint(loss, len(self.data.classes)):
            message, help = found
            warn(self.console, message, help)

    def _finish_epoch(self) -> Metrics:
        progress, run = self.progress, self.run
        with self.train_step.averaged():
            self.processes.adopt(self.train_step.model.statistics)
            held_out = self._scores(self.data.validation) if len(self.data.validation) else {}
            weights = {
                n: tensor.detach().cpu().clone() for n, tensor in self.train_step.model.state().items()
            }
        _require_finite(weights, held_out, progress)
        run.seconds = time.perf_counter() - self.started
        run.images += progress.seen
        run.training += progress.seconds
        row = _row(progress, self.task.figures, held_out, run.seconds)
        self.progress = Progress(progress.epoch + 1, progress.of_images)
        run.finish_epoch(self.train_step, row, weights, self.progress, self.recipe.keep)
        self._note_save()
        return row

    def _save(self) -> None:
        """A checkpoint within an epoch."""
        _require_finite(self.train_step.state(), {}, self.progress)
        self.run.seconds = time.perf_counter() - self.started
        self.run.save(self.train_step, self.progress)
        self._note_save()

    def _note_save(self) -> None:
        self.saved, self.saved_position = time.perf_counter(), self._where()

    def _scores(self, part: Split) -> dict[str, float]:
        return evaluate(
            self.train_step.model,
            self.data,
            part,
            self.speed,
            task=self.task,
            views=self.recipe.tta,
            workers=self.workers,
            processes=self.processes,
        )

    def _report(self) -> Report:
        """Evaluates the best weights on the test images."""
        run = self.run
        self.train_step.model.load_state(run.best)
        test = self._scores(self.data.test)
        return Report(
            metric=self.task.metric,
            validation_score=max(run.validation_scores, default=None),
            test=test,
            epochs=run.rows[-1].epoch,
            seconds=time.perf_counter() - self.started,
            images_per_second=run.images / run.training,
        )

    def example(self, size: int) -> Tensor:
        """A batch of the network's inputs."""
        rows = torch.arange(min(size, self.progress.of_images))
        batch = batches.load_batch(self.data.train, rows, self.speed.device, self.processes)
        return self.data.inputs(batch.images, self.speed.layout)

    def _interrupted(self, signal: Signals) -> Interrupted:
        name = "Ctrl-C" if signal is Signals.SIGINT else signal.name
        kept = "all of it is saved"
        if self.saved_position != self._where():
            kept = f"last checkpoint: {self.saved_position}"
        command = "netdsl" if self.processes.size == 1 else "torchrun … -m netdsl"
        return Interrupted(
            f"stopped by {name} {self._where()}; {kept}",
            f"continue with `{command} train --resume {self.run.folder}`",
            signal,
        )

    def _after_divergence(self) -> str:
        self._check_first_loss()  # A bad start may be the reason.
        lower = f"--optimizer.lr {self.recipe.optimizer.lr / 10:g}"
        if not self.run.rows:
            return f"start again with a lower learning rate: `{lower}`"
        folder, done = self.run.folder, len(self.run.rows)
        return (
            f"resume after epoch {done} with `netdsl train --resume {folder} {lower}`, or start again with "
            "that learning rate"
        )

    def _out_of_memory(self) -> RunError:
        batch = self.recipe.batch
        message = f"the memory of {self.speed.device} is full with a batch of {batch}"
        if self.processes.size > 1:  # No search, which the other processes would not join.
            parts = 2 * self.recipe.accumulate
            return RunError(message, f"try `--accumulate {parts}` for the same updates, or more processes")
        fits = fitting_batch(self.train_step, self.example, batch)
        help = "use a smaller network or smaller images: not even a batch of 1 fits"
        if fits is not None:
            parts = self.recipe.accumulate * -(-batch // fits)
            help = f"a batch of {fits} fits: `--batch {fits}`, or `--accumulate {parts}` for the same updates"
        return RunError(message, help)


def _require_finite(state: Mapping[str, Tensor], held_out: Mapping[str, float], progress: Progress) -> None:
    """Raises Diverged if the weights or the loss are not finite, so that valid files are not replaced."""
    weights = all(bool(tensor.isfinite().all()) for tensor in state.values())
    if not weights or not math.isfinite(held_out.get("loss", 0.0)):
        what = "the loss on the validation images is" if weights else "the weights are"
        raise Diverged(f"{what} not finite after step {progress.steps} of epoch {progress.epoch + 1}")


def _row(progress: Progress, names: Sequence[str], held_out: dict[str, float], seconds: float) -> Metrics:
    return Metrics(
        epoch=progress.epoch + 1,
        lr=progress.lr,
        loss=progress.loss,
        figures=progress.means(names),
        validation=held_out,
        images_per_second=progress.images_per_second,
        seconds=seconds,
    )
