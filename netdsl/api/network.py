"""Networks and runs: what a network is, how it is trained, and what can be done with it then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.api.curves import Curves, LearningRates
from netdsl.api.picture import Picture
from netdsl.api.recipe_values import recipe_overrides, recipe_value
from netdsl.base.document import Document, Documented, Table, document_html
from netdsl.compiler import Style, compile_network
from netdsl.language.recipe import Recipe
from netdsl.network import CompiledNetwork
from netdsl.summary.network_summary import Summary

if TYPE_CHECKING:
    import torch

    from netdsl.runtime.callback import Callback
    from netdsl.runtime.inference_model import InferenceModel
    from netdsl.runtime.metrics import Metrics
    from netdsl.runtime.train import Report
    from netdsl.trained.evaluate import Evaluation
    from netdsl.trained.memory_images import Images
    from netdsl.trained.open_run import Which
    from netdsl.trained.predict import FoundBoxes, FoundClasses, Prediction


class Network(CompiledNetwork):
    """A network; `load` and `check` make it. A notebook shows its picture and its table.

    >>> network = netdsl.load("resnet32")
    >>> network
    resnet32: 3x32x32 -> 10, 118,074 parameters
    """

    def __repr__(self) -> str:
        first, *_ = self.summary(1).document()
        title = str(first).rpartition(", depth")[0]
        return f"{title}, {self.parameters_count:,} parameters"

    def _repr_html_(self) -> str:
        from netdsl.graph.render_picture import TooLarge

        summary = self.summary(1)
        try:
            return self.graph()._repr_html_() + document_html(summary.document())
        except TooLarge:
            return document_html(summary.document())

    def summary(self, depth: int = 2) -> Summary:
        """Shapes, parameters, MACs, memory and receptive field of the network's parts; `depth` levels: 1 for
        sections and stages, 2 for their steps, 3 for the steps of blocks, and so on.

        >>> summary = netdsl.load("convnet").summary()
        >>> summary.figures.parameters
        262026
        >>> print(summary)  # doctest: +ELLIPSIS
        convnet: 3x32x32 -> 10, depth 5
        ...
        """
        from netdsl.summary.measure import measure

        return measure(self.typed, depth)

    def graph(self) -> Picture:
        """The picture of the network; a notebook shows it.

        >>> netdsl.load("resnet32").graph().save("resnet32.svg")

        Raises `TooLarge` if the network has more different parts than one picture has room for.
        """
        return Picture(self.typed)

    def train(
        self,
        *,
        recipe: Recipe | None = None,
        run: str | PathLike[str] | None = None,
        style: Style = "module",
        callbacks: Sequence[Callback] = (),
        loggers: Sequence[str] = (),
        quiet: bool = False,
        device: str = "auto",
        precision: str = "auto",
        compile: str = "auto",
        **keys: object,
    ) -> Run:
        """Trains the network into a new folder, `runs/NAME` if `run` does not name one, and returns the run.

        Every key of the recipe is an argument, as text of the language, as a number or as its dataclass of
        `netdsl.recipe`; a whole `recipe` replaces that of the file. `device`, `precision` and `compile` are
        those of `netdsl train`, which describes them. `callbacks` are called at the start, after each epoch,
        and at the end; `loggers` are those of `--log`: "tensorboard", "mlflow", "wandb".

        >>> network = netdsl.load("convnet", input="1x8x8")
        >>> run = network.train(data="digits", epochs=1, images=200, optimizer="adamw(lr=1e-3)", quiet=True)
        >>> run.folder
        PosixPath('runs/convnet')

        Raises NetworkError for a recipe that is not valid, RunError if the training can't start or continue,
        and its subclass Interrupted if it is stopped: `netdsl.open(run).resume()` continues it.
        """
        from netdsl.inspect.run_pictures import RunPictures
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers, free_folder, train_run

        overrides, network = self._with_recipe(recipe, keys)
        folder = Path(fspath(run)) if run else free_folder(network.name)
        request = SpeedRequest(device=device, precision=precision, compile=compile)
        watchers = Watchers(loggers, [RunPictures(quiet), *callbacks], quiet)
        train_run(network.compiled, overrides, style, folder, request, watchers=watchers)
        return Run(folder)

    def lr_find(
        self,
        *,
        recipe: Recipe | None = None,
        steps: int = 100,
        low: float = 1e-6,
        high: float = 10.0,
        style: Style = "module",
        quiet: bool = True,
        device: str = "auto",
        precision: str = "auto",
        compile: str = "auto",
        **keys: object,
    ) -> LearningRates:
        """Trains at most `steps` steps with a learning rate that rises from `low` to `high`, and suggests one
        (Smith 2015); no run is written. A notebook shows the losses. The other arguments, and the errors,
        are those of `train`.

        >>> found = netdsl.load("convnet", input="1x8x8").lr_find(data="digits")
        >>> 1e-3 < found.suggestion < 1
        True
        >>> found.save("lr.png")
        """
        from netdsl.runtime.console import user_console
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.lr_find import find_lr

        _, network = self._with_recipe(recipe, keys)
        request = SpeedRequest(device=device, precision=precision, compile=compile)
        return LearningRates(find_lr(network, style, request, steps, low, high, user_console(quiet)))

    def _with_recipe(
        self, recipe: Recipe | None, keys: Mapping[str, object]
    ) -> tuple[dict[str, str], CompiledNetwork]:
        """The overrides of a recipe and of keys as texts, and the network with them. Raises NetworkError."""
        overrides = recipe_overrides(self.recipe, recipe) | {
            key: recipe_value(key, value) for key, value in keys.items()
        }
        before = self.compiled
        compiled = compile_network(before.source, before.settings, overrides, before.used.__getitem__)
        return overrides, CompiledNetwork(compiled)


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

    def evaluate(self, data: object = None, which: Which = "best", device: str = "auto") -> Evaluation:
        """The scores on the run's test images, or on those of other `data`, of all and of each class.

        >>> found = netdsl.open("runs/convnet").evaluate()
        >>> sorted(found.scores)
        ['accuracy', 'loss']
        >>> print(found)  # doctest: +ELLIPSIS
        convnet, best weights: test accuracy ...%, loss ... (360 images, ...)
        """
        from netdsl.runtime.console import user_console
        from netdsl.trained.evaluate import evaluate_run

        other = None if data is None else recipe_value("data", data)
        return evaluate_run(self.folder, which, other, device, user_console())

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

        self._require("predict")
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

        self._require("detect")
        found = list(detect(self._opened, which, as_images(images), least, _device(device)))
        for boxes in found:
            _require_readable(boxes.image, boxes.found is not None, boxes.remark)
        return found

    def segment(self, images: Images, which: Which = "best", device: str = "auto") -> list[FoundClasses]:
        """The class of each pixel of each image; for the run of a network with a class for each pixel. Images
        are given as for `predict`, and raise the same errors.
        """
        from netdsl.trained.memory_images import as_images
        from netdsl.trained.predict import segment

        self._require("segment")
        found = list(segment(self._opened, which, as_images(images), _device(device)))
        for mask in found:
            _require_readable(mask.image, mask.found is not None, mask.remark)
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
        return Curves(self.metrics)

    def page(self, file: str | PathLike[str] | None = None, device: str = "auto") -> Path:
        """Writes an HTML page with all of the run, as `netdsl report` does, and returns its path: `file`, or
        `report.html` in the folder. Without the run's data, it has no pictures of images.

        >>> netdsl.open("runs/convnet").page()
        PosixPath('runs/convnet/report.html')
        """
        from netdsl.inspect.run_report import PAGE, write_report
        from netdsl.runtime.console import user_console

        page = self.folder / PAGE if file is None else Path(fspath(file))
        write_report(self.folder, page, device, user_console(quiet=True))
        return page

    def resume(self, callbacks: Sequence[Callback] = (), quiet: bool = False, **keys: object) -> Run:
        """Continues a run that was stopped, or with more `epochs` one that is finished; `keys` are those of
        the recipe, as for `Network.train`, and so are the errors.

        >>> run = netdsl.open("runs/convnet").resume(epochs=2, quiet=True)
        >>> len(run.metrics)
        2
        """
        from netdsl.inspect.run_pictures import RunPictures
        from netdsl.runtime.speed import SpeedRequest
        from netdsl.training.train_run import Watchers, resume_run

        overrides = {key: recipe_value(key, value) for key, value in keys.items()}
        watchers = Watchers(callbacks=[RunPictures(quiet), *callbacks], quiet=quiet)
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
        from netdsl.runtime.metrics import METRICS, best

        rows, report = self.metrics, self.report
        score = METRICS[rows[-1].metric]
        chosen = best(rows)
        table = [["training", rows[-1].loss, rows[-1].score]]
        table.append(["validation", chosen.validation_loss, chosen.validation_score])
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

    def _require(self, method: str) -> None:
        """Raises RunError if another method is that of the network's task."""
        from netdsl.runtime.errors import RunError
        from netdsl.trained.tasks import is_dense

        network = self._opened.network
        kinds = {
            "detect": "detector",
            "segment": "network with a class for each pixel",
            "predict": "classifier",
        }
        own = "detect" if network.typed.network.detect else "segment" if is_dense(network) else "predict"
        if own != method:
            raise RunError(f"{self.folder} is the run of a {kinds[own]}", f"use `run.{own}(images)`")


def _device(name: str) -> torch.device:
    from netdsl.runtime.speed import choose_device

    return choose_device(name)


def _require_readable(image: object, readable: bool, remark: str) -> None:
    from netdsl.runtime.errors import RunError

    if not readable:
        raise RunError(f"{image}: {remark}", "leave this image out")
