"""Training from the first epoch, or from a checkpoint, to the report on the test images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from signal import Signals

import torch
from rich.console import Console
from torch import Tensor

from netdsl.language.recipe import Recipe
from netdsl.runtime import augment, batches, first_loss, plot
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.compiling import decide
from netdsl.runtime.console import say
from netdsl.runtime.data import Dataset
from netdsl.runtime.display import Display
from netdsl.runtime.distributed import ALONE, World
from netdsl.runtime.errors import Diverged, Interrupted, RunError
from netdsl.runtime.evaluate import Scores, evaluate
from netdsl.runtime.images import Split
from netdsl.runtime.loop import Progress, train_epoch
from netdsl.runtime.memory import fitting_batch, is_out_of_memory, keep_freed_memory
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.model import Model
from netdsl.runtime.run_files import Run, require_new
from netdsl.runtime.speed import Speed
from netdsl.runtime.stopping import Stop, on_signals
from netdsl.runtime.train_step import Learner

# Seconds between two checkpoints within an epoch.
SAVE_EVERY = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came out of a run. Accuracies are shares from 0 to 1; the test is with the best weights.

    `validation_accuracy` is None where no images are held out: the best weights are then the last.
    `seconds` is all of the run, `images_per_second` the training alone.
    """

    validation_accuracy: float | None
    test_accuracy: float
    test_loss: float
    epochs: float
    seconds: float
    images_per_second: float


def train(
    model: Model,
    data: Dataset,
    recipe: Recipe,
    run: Run,
    speed: Speed,
    console: Console,
    *,
    resume: tuple[Checkpoint, Progress] | None = None,
    compile: str = "off",
    batch_norm: str = "local",
    workers: int = 0,
    each_epoch: Callable[[Metrics], None] | None = None,
    world: World = ALONE,
) -> Report:
    """Trains the model as the recipe says, and leaves it with the best weights.

    After each epoch, and every ten minutes within one, the run's files are written; `resume` is what
    such a checkpoint holds and where it stands. `compile` is "auto", "on" or "off"; `each_epoch` is
    given what was measured. Raises RunError where the loss is not finite, memory is short or a file
    can't be written, and Interrupted on Ctrl-C or SIGTERM: the run can then go on from its checkpoint.

    Each process of the `world` calls it with the same arguments and gets the same report; the weights
    are those of one process up to rounding. For that batch norms must be "sync": those that are "local"
    count the images of their own process, and the running statistics are the first one's.
    """
    require_trainable(data, recipe)
    if resume is None and run.writes:
        require_new(run.folder)
    if world.size > 1 and batch_norm == "sync":
        model.synchronise(speed.device)
    training = _Training(model, data, recipe, run, speed, console, resume, workers, each_epoch, world)
    run.how |= {"processes": world.size, "batch_norm": batch_norm}
    try:
        training.begin(compile)
        with on_signals(world) as stop, Display(console, recipe.epochs, len(run.rows)) as display:
            while training.progress.epoch < recipe.epochs:
                training.epoch(stop, display)
            # Matplotlib doesn't bear an exception in the middle of its work.
            if run.writes:
                plot.curves(run.folder)
        return training.report()
    except KeyboardInterrupt:  # Before the epochs, after them, or a second one.
        raise training.interrupted(Signals.SIGINT) from None
    except Diverged as error:
        error.help = training.after_divergence()
        raise
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RunError(
            "a batch norm has no statistics of a single image's vector",
            "choose a larger `--batch` or a smaller `--accumulate`: two images at least must go through",
        ) from error
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Only here, since the exception held what the step had allocated.
    raise training.out_of_memory()


def require_trainable(data: Dataset, recipe: Recipe) -> None:
    """Raises RunError where the data are too few or too small for the recipe."""
    if len(data.train) < recipe.batch:
        raise RunError(
            f"there are {len(data.train)} images to train on, a batch is {recipe.batch}",
            f"choose a smaller batch: `--batch {max(1, len(data.train) // 4)}`",
        )
    height, width = data.train.images.shape[2:]
    augment.draw(recipe.augment, 0, (height, width), 0, recipe.seed)


class _Training:
    """One call of `train`."""

    def __init__(
        self,
        model: Model,
        data: Dataset,
        recipe: Recipe,
        run: Run,
        speed: Speed,
        console: Console,
        resume: tuple[Checkpoint, Progress] | None,
        workers: int,
        each_epoch: Callable[[Metrics], None] | None,
        world: World,
    ) -> None:
        # The clock of a resumed run goes on where it stopped.
        self._started = time.perf_counter() - run.seconds
        self._recipe, self._run, self._speed, self._console = recipe, run, speed, console
        self._workers, self._each_epoch, self._world = workers, each_epoch, world
        speed.prepare()
        if speed.device.type == "cpu":
            keep_freed_memory()
        model.to(speed.device, speed.layout)
        self._model, self._data = model, data.to(speed.device)
        self._learner = Learner(model, recipe, speed, world)
        self.progress = Progress(0, len(data.train))
        if resume is not None:
            found, self.progress = resume
            self._learner.load(found)
        self._saved, self._kept = time.perf_counter(), "before the first step"

    def _where(self) -> str:
        progress, epochs = self.progress, self._recipe.epochs
        if progress.epoch >= epochs:
            return "after the last epoch"
        return f"in epoch {progress.epoch + 1} of {epochs}, after step {progress.steps}"

    def begin(self, compile: str) -> None:
        """Makes the run one that can be resumed, and decides whether to compile."""
        batches.require_enough(self._recipe.batch, self.progress.of_images - self.progress.seen, self._world)
        run, processes = self._run, self._world.size
        # With the request, not the decision: whoever resumes from here decides anew.
        run.how = {**run.how, **self._speed.facts(), "compile": compile}
        self._save()
        order = torch.arange(self.progress.of_images)
        steps = len(batches.split(order, self._recipe.batch, 2 * processes))
        left = steps * (self._recipe.epochs - self.progress.epoch) - self.progress.steps
        decision = decide(self._learner, compile, self._example(self._recipe.batch), left)
        reasons = [*self._speed.reasons, str(decision)]
        if processes > 1:
            reasons.append(f"{processes} processes, {run.how['batch_norm']} batch norm")
        run.how |= {"compile": "on" if decision.on else "off", "reasons": reasons}
        run.write_views()
        self._save()
        say(self._console, f"{self._speed.device}: {', '.join(reasons)}")

    def epoch(self, stop: Stop, display: Display) -> None:
        """Trains to the end of the epoch under way, and writes the files."""
        progress = self.progress

        def look(up_to_date: bool) -> bool:
            if not up_to_date:
                # Processes must end at the same step: they ask each other, which takes time.
                return bool(stop) and self._world.size == 1
            self._check_first_loss()
            display.show(progress)
            if time.perf_counter() - self._saved > SAVE_EVERY and not progress.complete:
                self._save()
            return stop.agreed(self._world) is not None

        train_epoch(self._learner, self._data, progress, look, self._workers)
        if progress.complete:
            row = self._finish_epoch()
            display.line(row)
            if self._each_epoch is not None:
                self._each_epoch(row)
        if signal := stop.agreed(self._world):
            if not progress.complete:
                self._save()
            self._world.wait()  # Where one process ends, torchrun ends the others.
            raise self.interrupted(signal)

    def _check_first_loss(self) -> None:
        """Says once if the weights start badly; the run goes on."""
        loss, how = self.progress.first_loss, self._run.how
        if self.progress.epoch or loss is None or "first_loss" in how:
            return
        how |= {"first_loss": loss, "guessing_loss": first_loss.guessing(len(self._data.classes))}
        if found := first_loss.complaint(loss, len(self._data.classes)):
            message, help = found
            say(self._console, f"warning: {message}\n  = help: {help}")

    def _finish_epoch(self) -> Metrics:
        progress, run = self.progress, self._run
        with self._learner.averaged():
            self._world.adopt(self._model.statistics)
            held_out = self._scores(self._data.validation) if len(self._data.validation) else None
            weights = {n: tensor.detach().cpu().clone() for n, tensor in self._model.state().items()}
        _require_finite(weights, held_out, progress)
        run.seconds = time.perf_counter() - self._started
        run.images += progress.seen
        run.training += progress.seconds
        row = _row(progress, held_out, run.seconds)
        self.progress = Progress(progress.epoch + 1, progress.of_images)
        run.finish_epoch(self._learner, row, weights, self.progress)
        self._saved, self._kept = time.perf_counter(), self._where()
        return row

    def _save(self) -> None:
        """A checkpoint within an epoch."""
        _require_finite(self._learner.state(), None, self.progress)
        self._run.seconds = time.perf_counter() - self._started
        self._run.save(self._learner, self.progress)
        self._saved, self._kept = time.perf_counter(), self._where()

    def _scores(self, part: Split) -> Scores:
        flip = self._recipe.tta == "flip"
        return evaluate(
            self._model, self._data, part, self._speed, flip=flip, workers=self._workers, world=self._world
        )

    def report(self) -> Report:
        """Tests the best weights."""
        run = self._run
        self._model.load_state(run.best)
        test = self._scores(self._data.test)
        return Report(
            validation_accuracy=max(run.validation_accuracies, default=None),
            test_accuracy=test.accuracy,
            test_loss=test.loss,
            epochs=run.rows[-1].epoch,
            seconds=time.perf_counter() - self._started,
            images_per_second=run.images / run.training,
        )

    def _example(self, size: int) -> Tensor:
        """A batch as the network gets it."""
        index = torch.arange(min(size, self.progress.of_images))
        (batch,) = batches.load(self._data.train, [index], self._world, self._speed.device, 0)
        return self._speed.laid_out(self._data.normalise(self._data.floats(batch.images)))

    def interrupted(self, signal: Signals) -> Interrupted:
        name = "Ctrl-C" if signal is Signals.SIGINT else signal.name
        kept = "all of it is saved"
        if self._kept != self._where():
            kept = f"what is saved stands {self._kept}"
        command = "netdsl" if self._world.size == 1 else "torchrun … -m netdsl"
        return Interrupted(
            f"stopped by {name} {self._where()}; {kept}",
            f"go on with `{command} train --resume {self._run.folder}`",
            signal,
        )

    def after_divergence(self) -> str:
        self._check_first_loss()  # A bad start may be the reason.
        lower = f"--optimizer.lr {self._recipe.optimizer.lr / 10:g}"
        if not self._run.rows:
            return f"start again with a lower learning rate: `{lower}`"
        folder, done = self._run.folder, len(self._run.rows)
        return (
            f"the state after epoch {done} is kept: go on with `netdsl train --resume {folder} {lower}`, "
            "or start again with that learning rate"
        )

    def out_of_memory(self) -> RunError:
        batch = self._recipe.batch
        message = f"the memory of {self._speed.device} is full with a batch of {batch}"
        if self._world.size > 1:  # The others wait for a step, not for a search.
            parts = 2 * self._recipe.accumulate
            return RunError(message, f"try `--accumulate {parts}` for the same updates, or more processes")
        fits = fitting_batch(self._learner, self._example, batch)
        help = "use a smaller network or smaller images: not even a batch of 1 fits"
        if fits is not None:
            parts = self._recipe.accumulate * -(-batch // fits)
            help = f"a batch of {fits} fits: `--batch {fits}`, or `--accumulate {parts}` for the same updates"
        return RunError(message, help)


def _require_finite(state: Mapping[str, Tensor], held_out: Scores | None, progress: Progress) -> None:
    """Raises Diverged where weights aren't numbers any more: they are not to replace good ones."""
    weights = all(bool(tensor.isfinite().all()) for tensor in state.values())
    if not weights or not math.isfinite(held_out.loss if held_out else 0.0):
        what = "the loss on the validation images is" if weights else "the weights are"
        raise Diverged(f"{what} not finite after step {progress.steps} of epoch {progress.epoch + 1}")


def _row(progress: Progress, held_out: Scores | None, seconds: float) -> Metrics:
    return Metrics(
        epoch=progress.epoch + 1,
        lr=progress.lr,
        loss=progress.loss,
        accuracy=progress.accuracy,
        validation_loss=held_out.loss if held_out else None,
        validation_accuracy=held_out.accuracy if held_out else None,
        images_per_second=progress.images_per_second,
        seconds=seconds,
    )
