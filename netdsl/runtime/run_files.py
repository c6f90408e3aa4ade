"""The files of a run: metrics, weights, and the checkpoint from which it is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from torch import Tensor

from netdsl.base.typed_json import Count, Range, Seconds, typed
from netdsl.language.recipe import KeepBest, KeepEvery
from netdsl.runtime import checkpoint, metrics
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.loop import Progress
from netdsl.runtime.metrics import Metrics
from netdsl.runtime.storage import after_a_failed_write, write_json
from netdsl.runtime.train_step import TrainStep

BEST = "best.safetensors"
LAST = "last.safetensors"
CHECKPOINT = "checkpoint.safetensors"
HOW = "how.json"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Position:
    """The fields of `Progress` that a checkpoint holds."""

    epoch: Count
    of_images: Count
    seen: Count
    steps: Count
    loss_sum: Annotated[float, Range(0, 1e100)]
    figures: list[float]
    lr: float
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a run's checkpoint: fields of `Run`, and the position in the epoch."""

    record: dict[str, object]
    texts: dict[str, str]
    how: dict[str, object]
    position: Position
    rows: list[Metrics]
    seconds: Seconds
    images: Count
    training: Seconds


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the run for this process inside the block. Raises RunError if another process has it.

    The system releases the lock when the process ends.
    """
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(
            f"another process trains in {folder}", "wait until it ends, or choose another folder: `--run`"
        ) from error
    except OSError as error:
        raise RunError(
            f"{folder} can't be written: {error.strerror or error}", f"{after_a_failed_write(error)}: `--run`"
        ) from error
    try:
        yield
    finally:
        lock.release()


def require_new(folder: Path) -> None:
    """Raises RunError if the folder already holds a run."""
    for name in (CHECKPOINT, metrics.FILE):
        if (folder / name).exists():
            raise RunError(
                f"{folder} already holds a run",
                f"choose another folder: `--run`; or resume it: `netdsl train --resume {folder}`",
            )


def epoch_file(epoch: int) -> str:
    """The file of an epoch's weights, if they are kept."""
    return f"epoch{epoch}.safetensors"


def kept_epochs(rows: Sequence[Metrics], keep: Sequence[KeepBest | KeepEvery]) -> set[int]:
    """The epochs, counted from 1, whose weights are kept after these rows."""
    kept: set[int] = set()
    for rule in keep:
        match rule:
            case KeepEvery(epochs):
                kept |= set(range(epochs, len(rows) + 1, epochs))
            case KeepBest(count):
                ranked = sorted(
                    range(1, len(rows) + 1), key=lambda e: metrics.rank(rows[e - 1]), reverse=True
                )
                kept |= set(ranked[:count])
    return kept


@dataclass(slots=True)
class Run:
    """The state of a run.

    `record` is stored in the checkpoint for the caller, `texts` are the metadata of the weights, `how` is
    how the run is computed: device, precision, compiled or not, and the reasons. `rows` are the metrics of
    finished epochs, `best` the best weights of them. `seconds` is the time of all sessions, `images` and
    `training` are the number of trained images and the seconds for them; `processes` train it.
    """

    folder: Path
    record: Mapping[str, object] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    how: dict[str, object] = field(default_factory=dict)
    rows: list[Metrics] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    images: int = 0
    training: float = 0.0
    processes: Processes = ALONE

    @property
    def writes(self) -> bool:
        """True if this process writes the files: of several, only the first one does."""
        return self.processes.first

    @property
    def validation_scores(self) -> list[float]:
        """The metric on validation images after each finished epoch; empty without validation."""
        return [row.validation_score for row in self.rows if row.validation_score is not None]

    @property
    def best_row(self) -> Metrics:
        """The first of the best epochs; there must be one."""
        return metrics.best(self.rows)

    def finish_epoch(
        self,
        train_step: TrainStep,
        row: Metrics,
        weights: dict[str, Tensor],
        following: Progress,
        keep: Sequence[KeepBest | KeepEvery] = (),
    ) -> None:
        """Adds an epoch with the validated weights, and writes all files. Raises RunError.

        `following` is the position after it: the start of the next epoch.
        """
        self.rows.append(row)
        if row.validation_score is None or self.best_row is row:
            self.best = weights
        # The checkpoint comes last, and a resumed run writes the other files from it: if the process is
        # killed, they are those of the checkpoint, or one epoch ahead.
        if self.writes:
            checkpoint.save(self.folder / LAST, weights, dict(self.texts))
            kept = kept_epochs(self.rows, keep)
            if following.epoch in kept:
                checkpoint.save(self.folder / epoch_file(following.epoch), weights, dict(self.texts))
        self.write_views()
        self.save(train_step, following)
        if self.writes:  # After the checkpoint, from which a run goes on.
            for epoch in range(1, following.epoch):
                if keep and epoch not in kept:
                    (self.folder / epoch_file(epoch)).unlink(missing_ok=True)

    def write_views(self) -> None:
        """Writes the files for users: best weights, metrics, `how.json`. Raises RunError."""
        if not self.writes:
            return
        if self.best:
            checkpoint.save(self.folder / BEST, self.best, dict(self.texts))
        if self.rows:
            metrics.write(self.folder, self.rows)
        write_json(self.folder / HOW, self.how)

    def save(self, train_step: TrainStep, progress: Progress) -> None:
        """Writes the checkpoint: the state of the training, and its settled position. Raises RunError."""
        if not self.writes:
            return
        best = {f"best.{name}": tensor for name, tensor in self.best.items()}
        position = Position(*(getattr(progress, field.name) for field in fields(Position)))
        facts = Facts(
            dict(self.record),
            dict(self.texts),
            self.how,
            position,
            self.rows,
            self.seconds,
            self.images,
            self.training,
        )
        Checkpoint(train_step.state() | best, asdict(facts)).write(self.folder / CHECKPOINT)

    @staticmethod
    def resumed(folder: Path, found: Checkpoint, processes: Processes = ALONE) -> tuple[Run, Progress]:
        """The run of a checkpoint, and its position in the epoch. Raises RunError if a fact is invalid."""
        try:
            facts = typed(Facts, found.facts)
            at = facts.position
            trained = facts.images and facts.training
            if at.seen > at.of_images or len(facts.rows) != at.epoch or (facts.rows and not trained):
                raise ValueError("its position is invalid")
        except ValueError as error:
            raise damaged(folder / CHECKPOINT, f"invalid facts: {error}") from error
        run = Run(
            folder,
            facts.record,
            facts.texts,
            facts.how,
            facts.rows,
            found.part("best"),
            facts.seconds,
            facts.images,
            facts.training,
            processes,
        )
        return run, Progress(**asdict(at))
