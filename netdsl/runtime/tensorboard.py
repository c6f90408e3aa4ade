"""The metrics of a run as TensorBoard event files."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.metrics import METRICS, Metrics

FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """Raises RunError if the extra is not installed."""
    require_extra("tensorboard", "torch.utils.tensorboard", "tensorboard", "--tensorboard")


class TensorBoard:
    """Writes event files into the `tensorboard` folder of a run.

    Losses and scores of training and validation have a common heading, so that TensorBoard shows them
    together; steps are epochs. Events of a killed process after the `done` complete epochs are purged. Raises
    RunError if the extra is not installed.
    """

    def __init__(self, run: Path, done: int = 0) -> None:
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer = SummaryWriter(str(run / FOLDER), purge_step=done + 1)
        except OSError as error:
            raise RunError(f"cannot write {run / FOLDER}: {error.strerror}") from error

    def __call__(self, row: Metrics) -> None:
        """Writes the metrics of an epoch, and flushes."""
        values = {
            "loss/training": row.loss,
            "loss/validation": row.validation_loss,
            f"{METRICS[row.metric]}/training": row.score,
            f"{METRICS[row.metric]}/validation": row.validation_score,
            "learning rate": row.lr,
            "images per second": row.images_per_second,
        }
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, ceil(row.epoch))
        self._writer.flush()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()
