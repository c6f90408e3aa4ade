"""The pictures of `netdsl features`: all are computed before the first is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from netdsl.inspect.features import NothingToSee, embedding, filters, telling_maps
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.layers import activations, evaluating
from netdsl.inspect.mistakes import Answers, Mistake, answers, confusion, most_confident_mistakes
from netdsl.inspect.pictures import Picture, batches, evenly, watched
from netdsl.inspect.projections import pca, require_tsne, tsne
from netdsl.inspect.sheets import charts
from netdsl.inspect.sheets.captions import Answer, fitting, short
from netdsl.inspect.sheets.panels import Panel, write_sheet
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import BATCH
from netdsl.runtime.images import Split

Method: TypeAlias = Literal["pca", "tsne"]
METHODS: tuple[Method, ...] = get_args(Method)

# The most images in a picture of activation maps; the number of mistakes, and of panels in a row.
MOST_IMAGES = 10
_MISTAKES, _ROW = 20, 5


class Album:
    """Pictures of a run by the names of their files.

    Each method that adds pictures raises NothingToSee if the network has nothing of the kind, and RunError
    if it can't be computed; no file is written before `write`.
    """

    def __init__(self, inspected: InspectedRun) -> None:
        self._inspected = inspected
        self._run, self._model, self._console = inspected.run, inspected.model, inspected.console
        self._speed = inspected.run.speed(inspected.device.type)
        self._drawings: dict[str, Callable[..., None]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        return self._inspected.classes

    @cached_property
    def answers(self) -> Answers:
        """The network's answers for all test images, as in `netdsl eval`."""
        views = self._run.network.recipe.tta
        with self._speed.autocast():
            return answers(self._model, self._batches(self._test, "evaluating"), views)

    @cached_property
    def confusion(self) -> Tensor:
        """The confusion matrix of the test images, (K, K) int64."""
        return confusion(self.answers)

    @property
    def accuracy(self) -> float:
        """The accuracy on the test images, 0 to 1."""
        return self.confusion.trace().item() / self.confusion.sum().item()

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """The most confident mistakes on the test images."""
        return most_confident_mistakes(self.answers, _MISTAKES)

    def add_filters(self) -> None:
        found = filters(self._model)
        shape = "x".join(map(str, found.shape[1:]))
        what = f"{_first(len(found), 'filters')} of the first layer, {shape}; gray is zero"
        self._add("filters.png", what, charts.write_filters, found)

    def add_activations(self, pictures: Sequence[Picture], layers: Sequence[str]) -> None:
        """Activation maps of layers, by default of `telling_maps`, for `pictures`."""
        names = list(dict.fromkeys(layers)) or telling_maps(self._model.named)
        if not names:
            raise NothingToSee("the network has no feature maps")
        images = torch.stack([picture.pixels for picture in pictures])
        with evaluating(self._model), torch.no_grad():
            seen = activations(self._model, images.to(self._speed.device), names)
        captions = [self._caption(picture) for picture in pictures]
        for name in names:
            maps = seen[name]
            if maps.dim() != 4:
                others = ", ".join(telling_maps(self._model.named)[:3])
                raise RunError(
                    f"`{name}` is not a feature map: it has {maps.shape[1]} numbers",
                    f"name a feature map, such as {others}" if others else "remove it: there are none",
                )
            size = "x".join(map(str, maps.shape[2:]))
            what = f"{name}: {_first(maps.shape[1], 'channels')}, {size}"
            self._add(f"activations-{name}.png", what, charts.write_maps, images, maps, captions)

    def add_embedding(self, method: Method, count: int, seed: int) -> None:
        """The head's input for `count` test images; `seed` is that of t-SNE."""
        if method == "tsne":
            require_tsne()  # before anything long
        part = evenly(self._test, count)
        seen = [embedding(self._model, images).cpu() for images, _ in self._batches(part, "embedding")]
        vectors = torch.cat(seen)
        with self._console.status("projecting"):
            if method == "tsne":
                points, names = tsne(vectors, seed), ("", "")
            else:
                points, shares = pca(vectors)
                x, y = (f"component {n}, {share:.0%} of the variance" for n, share in enumerate(shares, 1))
                names = (x, y)
        kind = {"pca": "PCA", "tsne": "t-SNE"}[method]
        what = f"{kind} of the head's input ({vectors.shape[1]:,} numbers), {len(points):,} test images"
        write = partial(charts.write_embedding, axes_names=names)
        self._add("embedding.png", what, write, points, part.labels, self.classes)

    def add_confusion(self) -> None:
        what = f"{self.accuracy:.2%} of {len(self._test):,} test images are right"
        self._add("confusion.png", what, charts.write_confusion, self.confusion, self.classes)

    def add_mistakes(self) -> None:
        if not self.mistakes:
            raise NothingToSee("the network makes no mistake on the test images")
        rows = torch.tensor([mistake.row for mistake in self.mistakes])
        ((images, _),) = batches(self._test[rows], len(rows), torch.device("cpu"))
        panels = [
            Panel(
                image,
                fitting(self.classes[mistake.label], after=f" (test:{mistake.row})")
                + "\n"
                + Answer(self.classes[mistake.predicted], mistake.probability).line("→ "),
            )
            for image, mistake in zip(images, self.mistakes, strict=True)
        ]
        sheet = [panels[start : start + _ROW] for start in range(0, len(panels), _ROW)]
        self._add("mistakes.png", "the most confident mistakes on the test images", write_sheet, sheet)

    def write(self, folder: Path) -> list[Path]:
        """Draws all pictures into a folder, which is created if missing. Raises RunError."""
        for name, draw in self._drawings.items():
            draw(file=folder / name)
        return [folder / name for name in self._drawings]

    @cached_property
    def _test(self) -> Split:
        return self._inspected.test_images()

    def _add(self, name: str, what: str, write: Callable[..., None], *given: object) -> None:
        """Adds a picture of `what`, which `write` draws."""
        self._drawings[name] = partial(write, *given, title=f"{self._run.title}: {what}")

    def _caption(self, picture: Picture) -> str:
        name = short(picture.name)
        return fitting(name if picture.label is None else f"{self.classes[picture.label]} ({name})")

    def _batches(self, part: Split, what: str) -> Iterator[tuple[Tensor, Tensor]]:
        device = self._speed.device
        for images, labels in watched(part, BATCH[device.type], device, what, self._console):
            yield self._speed.laid_out(images), labels


def _first(count: int, what: str) -> str:
    return f"the first {charts.MOST} of {count:,} {what}" if count > charts.MOST else f"{count} {what}"
