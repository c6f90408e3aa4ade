"""Loggers: callbacks that write the metrics of a run for other programs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import Any

from netdsl.runtime.callback import Beginning, Callback
from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.metrics import METRICS, Metrics
from netdsl.runtime.silence import first_line, silenced
from netdsl.runtime.storage import write_atomic
from netdsl.runtime.train import Report

CSV_FILE = "results.csv"
TENSORBOARD = "tensorboard"
# Where MLflow writes without another setting: a database beside the runs.
_STORE = "sqlite:///mlflow.db"


class Csv(Callback):
    """Writes `results.csv`: a row for each epoch, with the names of `metrics.jsonl`."""

    def begin(self, beginning: Beginning) -> None:
        self._file, self._rows = beginning.folder / CSV_FILE, list(beginning.rows)

    def epoch(self, row: Metrics) -> None:
        self._rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row.to_json()), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(each.to_json() for each in self._rows)
        write_atomic(self._file, text.getvalue().encode())


class TensorBoard(Callback):
    """Writes event files into the `tensorboard` folder of a run.

    Losses and scores of training and validation are lines of one chart each; steps are epochs. Events of a
    killed process after the complete epochs are purged.
    """

    def __init__(self) -> None:
        require_extra("tensorboard", "torch.utils.tensorboard", "tensorboard", "--log tensorboard")

    def begin(self, beginning: Beginning) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # A chart has a line for each folder of events, so that training and validation are folders.
        folder, first = beginning.folder / TENSORBOARD, len(beginning.rows) + 1
        try:
            self._writers = [
                SummaryWriter(str(folder / part), purge_step=first) for part in ("training", "validation")
            ]
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror}") from error

    def epoch(self, row: Metrics) -> None:
        score = METRICS[row.metric]
        parts: Sequence[dict[str, float | None]] = (
            {"loss": row.loss, score: row.score, "learning rate": row.lr},
            {"loss": row.validation_loss, score: row.validation_score},
        )
        parts[0]["images per second"] = row.images_per_second
        for writer, values in zip(self._writers, parts, strict=True):
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, ceil(row.epoch))
            writer.flush()

    def close(self) -> None:
        for writer in getattr(self, "_writers", ()):
            writer.close()


class MLflow(Callback):
    """Writes to the server or store of `MLFLOW_TRACKING_URI`, without one to `mlflow.db` in the current
    folder; the experiment has the network's name, unless `MLFLOW_EXPERIMENT_NAME` has another. A resumed run
    is the same run of MLflow.
    """

    def __init__(self) -> None:
        self._mlflow: Any = require_extra("mlflow", "mlflow", "mlflow", "--log mlflow")
        self._client: Any = None

    def begin(self, beginning: Beginning) -> None:
        with _reported("MLflow"):
            self._client = self._mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", _STORE))
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", beginning.network)
            found = self._client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self._client.create_experiment(name)
            tag = f"tags.`netdsl.run` = '{beginning.run_id}'"
            runs = self._client.search_runs([experiment], tag, max_results=1)
            if runs:
                self._run = runs[0].info.run_id
                self._client.update_run(self._run, status="RUNNING")
                return
            tags = {"netdsl.run": beginning.run_id, "mlflow.runName": beginning.folder.name}
            self._run = self._client.create_run(experiment, tags=tags).info.run_id
            for key, value in beginning.recipe.items():
                self._client.log_param(self._run, key, value)

    def epoch(self, row: Metrics) -> None:
        self._log(row.to_json(), ceil(row.epoch))

    def end(self, report: Report) -> None:
        self._log({f"test_{name}": value for name, value in report.test.items()}, ceil(report.epochs))
        with _reported("MLflow"):
            self._client.set_terminated(self._run, "FINISHED")
        self._client = None

    def close(self) -> None:
        if self._client is not None:
            with suppress(Exception):  # the training has its own error already
                self._client.set_terminated(self._run, "KILLED")

    def _log(self, values: dict[str, float], step: int) -> None:
        with _reported("MLflow"):
            for name, value in values.items():
                self._client.log_metric(self._run, name, value, step=step)


class WandB(Callback):
    """Writes to Weights & Biases, as its own settings say (`WANDB_MODE=offline`, `WANDB_PROJECT`); without
    another setting its files are in the folder of the run. A resumed run is the same run there.
    """

    def __init__(self) -> None:
        self._wandb: Any = require_extra("wandb", "wandb", "wandb", "--log wandb")
        self._run: Any = None

    def begin(self, beginning: Beginning) -> None:
        with _reported("Weights & Biases"):
            self._run = self._wandb.init(
                project=os.environ.get("WANDB_PROJECT", beginning.network),
                dir=os.environ.get("WANDB_DIR", str(beginning.folder)),
                id=beginning.run_id,
                name=beginning.folder.name,
                config=dict(beginning.recipe),
                resume="allow",
                settings=self._wandb.Settings(silent=True, console="off"),
            )

    def epoch(self, row: Metrics) -> None:
        with _reported("Weights & Biases"):
            self._run.log(row.to_json(), step=ceil(row.epoch))

    def end(self, report: Report) -> None:
        with _reported("Weights & Biases"):
            self._run.summary.update({f"test_{name}": value for name, value in report.test.items()})
            self._run.finish()
        self._run = None

    def close(self) -> None:
        if self._run is not None:
            with suppress(Exception):  # the training has its own error already
                self._run.finish(exit_code=1)


_CLASSES: dict[str, type[Callback]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}


def create_loggers(names: Sequence[str]) -> list[Callback]:
    """The loggers of these names (`logger_names.LOGGERS`). Raises RunError if an extra is not installed."""
    return [_CLASSES[name]() for name in names]


@contextmanager
def _reported(service: str) -> Iterator[None]:
    """Within the block, a failure of a service is a RunError: the run can be resumed without it."""
    try:
        with silenced():
            yield
    except Exception as error:  # services have exceptions of their own
        raise RunError(
            f"{service} fails: {first_line(error)}", "check its settings, or resume with `--log none`"
        ) from error
