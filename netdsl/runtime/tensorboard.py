"""The measurements of a run as TensorBoard reads them."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from netdsl.runtime.errors import RunError
from netdsl.runtime.metrics import Metrics

FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """Raises RunError where the extra is missing."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise RunError(
            "--tensorboard needs a package that isn't installed", 'pip install "netdsl[tensorboard]"'
        ) from error


class TensorBoard:
    """Writes event files into the `tensorboard` folder of a run.

    Losses and accuracies of training and validation lie under one heading each, so that TensorBoard shows
    them together; steps are epochs, of which `done` lie behind: what a killed process wrote of
    later ones is void. Raises RunError where the extra is missing.
    """

    def __init__(self, run: Path, done: int = 0) -> None:
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer = SummaryWriter(str(run / FOLDER), purge_step=done + 1)
        except OSError as error:
            raise RunError(f"cannot write {run / FOLDER}: {error.strerror}") from error

    def __call__(self, row: Metrics) -> None:
        """Writes the row of an epoch, so that it can be seen at once."""
        values = {
            "loss/training": row.loss,
            "loss/validation": row.validation_loss,
            "accuracy/training": row.accuracy,
            "accuracy/validation": row.validation_accuracy,
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
