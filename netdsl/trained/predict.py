"""`netdsl predict`: the most likely classes of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from torch import Tensor

from netdsl.base.names import numbered
from netdsl.runtime.console import say
from netdsl.runtime.detection.boxes import Detections
from netdsl.runtime.errors import RunError
from netdsl.runtime.inference_model import InferenceModel
from netdsl.runtime.open_image import (
    STANDARD_INPUT,
    Opened,
    Undecodable,
    decode_one,
    is_named_image,
    open_image,
)
from netdsl.runtime.storage import write_json
from netdsl.trained.open_run import OpenedRun, Which
from netdsl.trained.tasks import task_of

if TYPE_CHECKING:
    from netdsl.runtime.detection.coco_json import Listed

# The number of images in a batch.
_BATCH = 64


class Prediction(NamedTuple):
    """The most likely classes of an image with their probabilities, the most likely first; none if the file
    can't be read. `remark` is what is wrong with the file.
    """

    image: Path | Image.Image
    classes: list[tuple[str, float]]
    remark: str

    @property
    def label(self) -> str:
        """The most likely class."""
        return self.classes[0][0]

    @property
    def score(self) -> float:
        """The probability of the most likely class."""
        return self.classes[0][1]


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files, with each folder replaced by the images in it, sorted by name; subfolders are ignored.

    Images in a folder are recognised by the file's ending. Raises RunError if a folder has none.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            inside = sorted(file for file in path.iterdir() if is_named_image(file))
        except OSError as error:
            raise RunError(f"cannot read the folder {path}: {error.strerror}") from error
        if not inside:
            raise RunError(f"there is no image in {path}", "name its subfolders, which are not searched")
        files += inside
    return files


def predict(
    run: OpenedRun, which: Which, images: Sequence[Path | Image.Image], top: int, device: torch.device
) -> Iterator[Prediction]:
    """The `top` classes of each image, by the softmax of the logits. Raises RunError.

    Files are decoded as in training, and images in memory like files.
    """
    preprocessing = run.preprocessing(which)
    deployed = InferenceModel(run.model(which, device), preprocessing)
    shape = run.network.input_shape
    for start in range(0, len(images), _BATCH):
        files = images[start : start + _BATCH]
        decoded = [_decoded(file, shape) for file in files]
        whole = [image for image, _ in decoded if image is not None]
        rows = iter(_likeliest(deployed, whole, top, device) if whole else [])
        for file, (image, remark) in zip(files, decoded, strict=True):
            found = [] if image is None else [(preprocessing.classes[i], share) for i, share in next(rows)]
            yield Prediction(file, found, remark)


class FoundBoxes(NamedTuple):
    """The boxes in an image, in pixels of the file's own image, upright; None if the file can't be read.
    `remark` is what is wrong with the file.
    """

    image: Path | Image.Image
    found: Detections | None
    remark: str


def detect(
    run: OpenedRun,
    which: Which,
    images: Sequence[Path | Image.Image],
    least: float | None,
    device: torch.device,
) -> Iterator[FoundBoxes]:
    """The boxes in each image with a score of at least `least`, or that of the network's `detect`; the run is
    that of a detector.

    Files are decoded as in training. Raises RunError.
    """
    from netdsl.runtime.detection.task import Detection  # late: slow to import

    task = task_of(run.network)
    assert isinstance(task, Detection)
    task = task if least is None else replace(task, least=least)
    deployed = InferenceModel(run.model(which, device), run.preprocessing(which))
    _, height, width = shape = run.network.input_shape
    for file in images:
        try:
            image, opened = _batch_of(file, shape, device)
        except Undecodable as error:
            yield FoundBoxes(file, None, str(error))
            continue
        with torch.inference_mode():
            (found,) = map(Detections.cpu, task.detections(deployed.outputs(image)))
        _, own_height, own_width = opened.size
        scale = torch.tensor([own_width / width, own_height / height]).repeat(2)
        yield FoundBoxes(file, found._replace(boxes=found.boxes * scale), opened.remark)


class FoundClasses(NamedTuple):
    """The classes of an image's pixels, (H, W) int64 in the size of its file, upright; None if the file can't
    be read. `remark` is what is wrong with the file.
    """

    image: Path | Image.Image
    found: Tensor | None
    remark: str

    def shares(self, classes: Sequence[str], top: int) -> Prediction:
        """The `top` most frequent classes with their shares of the pixels."""
        if self.found is None:
            return Prediction(self.image, [], self.remark)
        counts = self.found.flatten().bincount(minlength=len(classes)).float()
        found = (counts / counts.sum()).topk(min(top, len(classes)))
        pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
        return Prediction(self.image, [(classes[i], share) for i, share in pairs], self.remark)


def segment(
    run: OpenedRun, which: Which, images: Sequence[Path | Image.Image], device: torch.device
) -> Iterator[FoundClasses]:
    """The class of each pixel of each image; the run is that of a network with scores at each position.

    Files are decoded as in training; scores are enlarged to their own size. Raises RunError.
    """
    deployed = InferenceModel(run.model(which, device), run.preprocessing(which))
    for file in images:
        try:
            image, opened = _batch_of(file, run.network.input_shape, device)
        except Undecodable as error:
            yield FoundClasses(file, None, str(error))
            continue
        with torch.inference_mode():
            scores = F.interpolate(deployed(image), opened.size[1:], mode="bilinear")
            yield FoundClasses(file, scores[0].argmax(0).cpu(), opened.remark)


_Found = TypeVar("_Found", FoundBoxes, FoundClasses)


def listed(annotations: Path, console: Console) -> Listed:
    """The images of a file of COCO's annotations; missing ones are reported. Raises RunError."""
    from netdsl.runtime.detection import annotations as annotated  # late: slow to import
    from netdsl.runtime.detection import coco_json

    remarks = annotated.Remarks()
    found = coco_json.read_ids(annotations, remarks)
    for line in remarks.lines():
        say(console, line)
    if not found.images:
        raise RunError(f"{annotations} names no image that is there", "it is expected beside its images")
    return found


def write_results(images: Sequence[FoundBoxes], classes: Sequence[str], ids: Listed, file: Path) -> None:
    """Writes the boxes in COCO's format of results. Raises RunError if a class has no category."""
    from netdsl.runtime.detection import coco_json  # late: slow to import

    if missing := [name for name in classes if name not in ids.categories]:
        raise RunError(
            f"{ids.file} has no category `{missing[0]}`, which the network finds",
            f"its categories are {', '.join(ids.categories)}",
        )
    found = ((ids.images[image], own) for image, own, _ in images if own and isinstance(image, Path))
    rows = list(coco_json.results(found, [ids.categories[name] for name in classes]))
    write_json(file, rows)


def picture_files(images: Sequence[Path], output: Path) -> list[Path]:
    """The file for the picture of each image: `output` for a single image, else files in the folder `output`
    with the names of the images, as .png where that format can't be written. Raises RunError if `output` is
    not a folder and there are several images.
    """
    from netdsl.runtime.detection.draw import ENDINGS  # late: slow to import

    if output.suffix and not output.is_dir():
        if len(images) != 1:
            raise RunError(
                f"{output} is a picture of one image, and there are {len(images)}",
                f"name a folder for them: `-o {output.with_suffix('')}`",
            )
        return [output]
    names = dict[str, None]()
    for image in images:
        stem = "image" if image == STANDARD_INPUT else image.stem
        ending = image.suffix if image.suffix.lower() in ENDINGS else ".png"
        names[next(name for free in numbered(stem, "-") if (name := free + ending) not in names)] = None
    return [output / name for name in names]


def drawing(images: Iterable[_Found], classes: Sequence[str], pictures: Sequence[Path]) -> Iterator[_Found]:
    """Yields what was found in each image, and draws it into its picture; without `pictures` it only yields.
    Raises RunError if one can't be written.
    """
    from netdsl.runtime.detection import draw  # late: slow to import
    from netdsl.runtime.segmentation.draw import with_classes

    for number, found in enumerate(images):
        if pictures and found.found is not None:
            pixels = torch.from_numpy(np.array(open_image(found.image, 3).image)).permute(2, 0, 1)
            drawn = (
                with_classes(pixels, found.found, classes)
                if isinstance(found, FoundClasses)
                else draw.with_detections(pixels, found.found, classes)
            )
            draw.write_picture(drawn, pictures[number])
        yield found


def _batch_of(
    file: Path | Image.Image, shape: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Opened]:
    """An image as a batch of one, (1, C, H, W) from 0 to 1, and as it was opened. Raises Undecodable."""
    pixels, opened = decode_one(file, shape)
    return torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1)[None].float() / 255, opened


def _decoded(file: Path | Image.Image, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8] | None, str]:
    """An image, or None if it can't be read, and what is wrong with its file."""
    try:
        pixels, opened = decode_one(file, shape)
    except Undecodable as error:
        return None, str(error)
    return pixels, opened.remark


def _likeliest(
    deployed: InferenceModel, images: list[NDArray[np.uint8]], top: int, device: torch.device
) -> Iterator[list[tuple[int, float]]]:
    """For each image, (H, W, C), the numbers of its most likely classes and their probabilities."""
    batch = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
    with torch.inference_mode():
        shares = deployed(batch.float() / 255).softmax(1)
    found = shares.topk(min(top, shares.shape[1]))
    for indices, values in zip(found.indices.tolist(), found.values.tolist(), strict=True):
        yield list(zip(indices, values, strict=True))
