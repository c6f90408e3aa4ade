"""`netdsl eval`: the scores of a run on its test images."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from netdsl.runtime import metrics
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import score
from netdsl.runtime.task import Details
from netdsl.trained.open_run import OpenedRun, Which, open_run
from netdsl.trained.tasks import task_of


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a run's weights `which` on `images` test images: `scores` as in `Scoring.result`."""

    network: str
    which: Which
    images: int
    precision: str
    classes: tuple[str, ...]
    scores: dict[str, float]
    details: Details

    def __str__(self) -> str:
        return (
            f"{self.network}, {self.which} weights: test {metrics.scores_text(self.scores)} "
            f"({self.images:,} images, {self.precision})"
        )

    def by_class(self) -> list[dict[str, Any]]:
        """The name of each class, the number of its things, and its scores, by name."""
        details = self.details
        columns = zip(self.classes, details.counts, *details.classes.values(), strict=True)
        return [dict(zip(("class", details.things, *details.classes), row, strict=True)) for row in columns]


def evaluate_run(folder: Path, which: Which, data: str | None, device: str, console: Console) -> Evaluation:
    """Evaluates a run's weights on the test images, of other `data` if given; what is wrong with data is
    said on `console`. Raises RunError and NetworkError.
    """
    return evaluate_opened(open_run(folder, {} if data is None else {"data": data}), which, device, console)


def evaluate_opened(run: OpenedRun, which: Which, device: str, console: Console) -> Evaluation:
    """Evaluates a run's weights on its test images. Raises RunError."""
    speed = run.speed(device)
    speed.prepare()
    model = run.model(which, speed.device)
    dataset = run.preprocessing(which).applied(run.data(console)).to(speed.device)
    with suppress(RunError):  # of a run without metrics
        if metrics.read(run.folder)[-1].validation_score is None:
            which = "last"  # no weights were better than others
    recipe = run.network.recipe
    kept = score(model, dataset, dataset.test, speed, task=task_of(run.network), views=recipe.tta)
    return Evaluation(
        run.network.name,
        which,
        len(dataset.test),
        speed.precision,
        dataset.classes,
        kept.result(ALONE),
        kept.details(),
    )
