"""`netdsl eval`: the scores of a run on its test images."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rich.console import Console

from netdsl.runtime import metrics
from netdsl.runtime.console import say
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.trained.open_run import Which, open_run
from netdsl.trained.tasks import task_of


def evaluate_run(folder: Path, which: Which, data: str | None, device: str) -> None:
    """Prints the scores of a run's weights on the test images, of other `data` if given.

    Raises RunError and NetworkError.
    """
    console = Console()
    run = open_run(folder, {} if data is None else {"data": data})
    speed = run.speed(device)
    speed.prepare()
    model = run.model(which, speed.device)
    dataset = run.preprocessing(which).applied(run.data(console)).to(speed.device)
    with suppress(RunError):  # of a run without metrics
        if metrics.read(folder)[-1].validation_score is None:
            which = "last"  # no weights were better than others
    task, flip = task_of(run.network), run.network.recipe.tta == "flip"
    scores = evaluate(model, dataset, dataset.test, speed, task=task, flip=flip)
    say(
        console,
        f"{run.network.name}, {which} weights: test {metrics.scores_text(scores)} "
        f"({len(dataset.test):,} images, {speed.precision})",
    )
