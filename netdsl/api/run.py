"""Runs: networks that were trained, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.api.network import Network, recipe_value
from netdsl.base.document import Document, Documented, Table, document_html

if TYPE_CHECKING:
    import torch

    from netdsl.api.curves import Curves
    from netdsl.runtime.callback import Callback
    from netdsl.runtime.inference_model import InferenceModel
    from netdsl.runtime.metrics import Metrics
    from netdsl.runtime.train import Report
    from netdsl.trained.memory_images import Images
    from netdsl.trained.open_run import Which
    from netdsl.trained.predict import FoundBoxes, Prediction


class Run(Documented):
    """A trained network in its folder; `Network.train` and `open` make it. A notebook shows its results and
    curves.

    Its methods raise RunError if a file of the run is missing or damaged. `which` are the weights: "best", of
    the best validation score, or "last".

    >>> netdsl.open("runs/convnet")  # doctest: +ELLIPSIS
    runs/convnet: convnet(input=1x8x8), 1 epoch, test accuracy ...%
    """

    def __init__(self, folder: Path) -> None:
        from netdsl.trained.open_run import open_run

        self.folder = folder
        self._opened = open_run(folder)

    @property
    def network(self) -> Network:
        """The network, as it was trained."""
        return Network(self._opened.network.compiled)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs."""
        return self._opened.preprocessing("last").classes

    @property
    def metrics(self) -> list[Metrics]:
        """The metrics of each epoch."""
        from netdsl.runtime import metrics

        return metrics.read(self.folder)

    @property
    def report(self) -> Report | None:
        """The final figures; None if the run isn't finished."""
        from netdsl.runtime import report

        return report.read(self.folder)

    def evaluate(
        self, data: object = None, which: Which = "best", device: str = "auto"
    ) -> dict[str, float]:
        """The scores on the run's test images, or on those of other `data`: the loss, the accuracy, and so on.

        >>> scores = netdsl.open("runs/convnet").evaluate()
        >>> sorted(scores)
        ['accuracy', 'loss']
        """
        from netdsl.runtime.console import user_console
        from netdsl.trained.evaluate import evaluate_run
        from netdsl.trained.open_run import open_run

        opened = self._opened
        if data is not None:
            opened = open_run(self.folder, {"data": recipe_value("data", data)})
        return evaluate_run(opened, which, device, user_console()).scores

    def predict(
        self, images: Images, top: int = 3, which: Which = "best", device: str = "auto"
    ) -> list[Prediction]:
        """The `top` classes of each image, with their probabilities: a list, also for one image.

        Images are paths, folders, images of Pillow, arrays (H, W, C) or tensors (C, H, W), batches of these,
        or lists; values are uint8 or from 0 to 1. They are resized and normalised as in training.

        >>> import numpy as np
        >>> (found,) = netdsl.open("runs/convnet").predict(np.zeros((8, 8), np.uint8))
        >>> len(found.classes), found.label in "0123456789", 0 < found.score <= 1
        (3, True, True)

        Raises RunError if an image can't be read, or for the run of a detector.
        """
        from netdsl.trained.memory_images import as_images
        from netdsl.trained.predict import predict

        self._require(detector=False)
        found = list(predict(self._opened, which, as_images(images), top, _device(device)))
        for prediction in found:
            _require_readable(prediction.image, bool(prediction.classes), prediction.remark)
        return found

    def detect(
        self, images: Images, least: float = 0.3, which: Which = "best", device: str = "auto"
    ) -> list[FoundBoxes]:
        """The boxes with a score of at least `least` in each image, in its pixels; for the run of a detector.
        Images are given as for `predict`, and raise the same errors.
        """
        from netdsl.trained.memory_images import as_images
        from netdsl.trained.predict import detect

        self._require(detector=True)
        found = list(detect(self._opened, which, as_images(images), least, _device(device)))
        for boxes in found:
            _require_readable(boxes.image, boxes.found is not None, boxes.remark)
        return found

    def model(self, which: Which = "best", device: str = "cpu") -> InferenceModel:
        """The trained network with its normalisation, as an `nn.Module` in evaluation mode: images
        (N, C, H, W), float32 from 0 to 1, -> logits (N, classes). Its `network` is the bare one.

        >>> import torch
        >>> netdsl.open("runs/convnet").model()(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
        """
        from netdsl.runtime.inference_model import InferenceModel

        model = self._opened.model(which, _device(device))
        return InferenceModel(model, self._opened.preprocessing(which))

    def curves(self) -> Curves:
        """Loss, scores and learning rate by epoch, as a picture that a notebook shows.

        >>> netdsl.open("runs/convnet").curves().save("curves.png")
        """
        from netdsl.api.curves import Curves

        return Curves(self.metrics)

    def resume(
        self, callbacks: Sequence[Callback] = (), quiet: bool = False, **keys: object
    ) -> Run:
        """Continues a run that was stopped, or with more `epochs` one that is finished; `keys` are those of
        the recipe, as for `Network.train`, and so are the errors.

        >>> run = netdsl.open("runs/convnet").resume(epochs=2, quiet=True)
        >>> len(run.metrics)
        2
        """
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers, resume_run

        overrides = {key: recipe_value(key, value) for key, value in keys.items()}
        watchers = Watchers(callbacks=callbacks, quiet=quiet)
        resume_run(self.folder, overrides, SpeedRequest(), watchers=watchers)
        return Run(self.folder)

    def __repr__(self) -> str:
        epochs = len(self.metrics)
        done = f"{epochs} epoch{'s' * (epochs != 1)}"
        report = self.report
        result = "not finished"
        if report is not None:
            from netdsl.runtime.metrics import METRICS

            result = f"test {METRICS[report.metric]} {report.test_score:.2%}"
        return f"{self.folder}: {self._opened.title}, {done}, {result}"

    def document(self) -> Document:
        """The run, and a row for each part of its images."""
        from netdsl.runtime.metrics import METRICS

        rows, report = self.metrics, self.report
        score = METRICS[rows[-1].metric]
        best = max(rows, key=lambda row: row.validation_score or 0)
        table = [["training", rows[-1].loss, rows[-1].score]]
        table.append(["validation", best.validation_loss, best.validation_score])
        if report is not None:
            table.append(["test", report.test["loss"], report.test_score])
        shown = [
            [part, f"{loss:.4f}", "–" if value is None else f"{value:.2%}"]
            for part, loss, value in table
            if loss is not None
        ]
        return [repr(self), "", Table(["images", ">loss", f">{score}"], shown)]

    def _repr_html_(self) -> str:
        return document_html(self.document()) + self.curves()._repr_html_()

    def _require(self, *, detector: bool) -> None:
        from netdsl.runtime.errors import RunError

        if bool(self._opened.network.typed.network.detect) != detector:
            kinds = ("classifier", "predict"), ("detector", "detect")
            kind, method = kinds[not detector]
            raise RunError(f"{self.folder} is the run of a {kind}", f"use `run.{method}(images)`")


def open(folder: str | PathLike[str]) -> Run:
    """The run in a folder. No code in it is executed.

    >>> netdsl.open("runs/convnet").network.name
    'convnet'

    Raises RunError if the folder holds no run or a damaged one, NetworkError if its network has errors.
    """
    return Run(Path(fspath(folder)))


def _device(name: str) -> torch.device:
    from netdsl.runtime.speed import choose_device

    return choose_device(name)


def _require_readable(image: object, readable: bool, remark: str) -> None:
    from netdsl.runtime.errors import RunError

    if not readable:
        raise RunError(f"{image}: {remark}", "leave this image out")
