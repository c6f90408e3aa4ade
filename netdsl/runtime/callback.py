"""Callbacks of a training: loggers, and code of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.runtime.metrics import Metrics

if TYPE_CHECKING:
    from netdsl.runtime.data import Dataset
    from netdsl.runtime.train import Report


@dataclass(frozen=True, slots=True)
class Beginning:
    """A training that begins or is resumed in `folder`.

    `run_id` identifies the run, also when it is resumed; `recipe` is its resolved recipe by key; `rows` are
    the metrics of the epochs that are done. `data` are its images, on `device`.
    """

    folder: Path
    network: str
    run_id: str
    recipe: Mapping[str, object]
    rows: Sequence[Metrics] = ()
    data: Dataset | None = None
    device: str = "auto"


class Callback:
    """Is told of a training; a subclass overrides the methods that it needs.

    The methods run between epochs, in the first process only, after the files of the epoch are written: a
    callback can't change the training, and a resumed run is exact with other callbacks, too. An exception
    ends the training, which can be resumed after that epoch.

    >>> class Shout(netdsl.Callback):
    ...     def epoch(self, row):
    ...         print(f"EPOCH {row.epoch:g}!")
    >>> network = netdsl.load("convnet", input="1x8x8")
    >>> run = network.train(data="digits", epochs=1, images=64, quiet=True, callbacks=[Shout()])
    EPOCH 1!
    """

    def begin(self, beginning: Beginning) -> None:
        """Before the first epoch of this process."""

    def epoch(self, row: Metrics) -> None:
        """After each epoch, with its metrics."""

    def end(self, report: Report) -> None:
        """After the evaluation on the test images; not if the training fails or is stopped."""

    def close(self) -> None:
        """At the end in any case, to close files and connections."""


class Callbacks(Callback):
    """Several callbacks in order; each that is created is closed."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks

    def begin(self, beginning: Beginning) -> None:
        for callback in self._callbacks:
            callback.begin(beginning)

    def epoch(self, row: Metrics) -> None:
        for callback in self._callbacks:
            callback.epoch(row)

    def end(self, report: Report) -> None:
        for callback in self._callbacks:
            callback.end(report)

    def close(self) -> None:
        for callback in self._callbacks:
            callback.close()
