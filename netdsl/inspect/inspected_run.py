"""A run opened for inspection, as the commands that draw pictures of it need it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from netdsl.inspect.boxes import Boxes
from netdsl.inspect.inspected import Inspected
from netdsl.inspect.opening import of_run
from netdsl.inspect.pixels import Pixels
from netdsl.runtime.detection.task import Detection
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Split
from netdsl.runtime.segmentation.task import Segmentation
from netdsl.runtime.speed import choose_device
from netdsl.runtime.task import Classification
from netdsl.trained.open_run import OpenedRun, Which, open_run
from netdsl.trained.tasks import task_of

# The number of images in a batch.
_BATCH = 16


@dataclass(frozen=True, slots=True)
class InspectedRun:
    """A run, its network with the weights `which`, and the console that progress is shown on; `boxes` are
    those of a detector, `pixels` those of a network with a class for each.
    """

    run: OpenedRun
    which: Which
    model: Inspected
    console: Console
    boxes: Boxes | None = None
    pixels: Pixels | None = None

    @classmethod
    def open(cls, folder: Path, which: Which, device: str, *, places: bool = False) -> InspectedRun:
        """Opens the run in a folder. Raises RunError and NetworkError as `inspect.open_run` does.

        A detector and a network with classes of pixels are a RunError, too, unless the scores of `places`, of
        boxes and pixels, are allowed.
        """
        return cls.of(open_run(folder), which, device, places=places)

    @classmethod
    def of(cls, run: OpenedRun, which: Which, device: str, *, places: bool = False) -> InspectedRun:
        """Likewise for a run that is open."""
        task = task_of(run.network)
        if not isinstance(task, Classification) and not places:
            kind = "detector" if isinstance(task, Detection) else "network with a class for each pixel"
            raise RunError(
                f"{run.folder} is the run of a {kind}, and this is for classifiers",
                "`netdsl predict RUN IMAGE -o found.png` shows what it finds",
            )
        model = of_run(run, which, choose_device(device))
        boxes = Boxes(model, task) if isinstance(task, Detection) else None
        pixels = Pixels(model, task) if isinstance(task, Segmentation) else None
        return cls(run, which, model, Console(stderr=True), boxes, pixels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    @property
    def device(self) -> torch.device:
        return self.model.mean.device

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """The probabilities of the classes for images (N, C, H, W): (N, K), on the CPU."""
        parts = images.to(self.device).split(_BATCH)
        return torch.cat([self.model(part).softmax(1) for part in parts]).cpu()

    def class_numbers(self, names: Iterable[str]) -> list[int]:
        """The numbers of classes. Raises RunError for an unknown class; the error lists the classes."""
        known = {name: number for number, name in enumerate(self.classes)}
        for name in (names := list(names)):
            if name not in known:
                raise RunError(f"there is no class `{name}`", f"the network's are {', '.join(self.classes)}")
        return [known[name] for name in names]

    def test_images(self) -> Split:
        """The run's test set. Raises RunError if it is empty or its classes differ from the network's."""
        test = self.run.preprocessing(self.which).applied(self.run.data(self.console)).test
        if not len(test):
            raise RunError("the run has no test images", "name files, or train with test images")
        return test
