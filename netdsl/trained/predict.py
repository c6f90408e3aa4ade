"""`netdsl predict`: the most likely classes of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from netdsl.runtime.detection.boxes import Detections
from netdsl.runtime.errors import RunError
from netdsl.runtime.inference_model import InferenceModel
from netdsl.runtime.open_image import Undecodable, decode_one, is_named_image, open_image
from netdsl.trained.open_run import OpenedRun, Which
from netdsl.trained.tasks import task_of

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
    run: OpenedRun, which: Which, images: Sequence[Path | Image.Image], least: float, device: torch.device
) -> Iterator[FoundBoxes]:
    """The boxes with a score of at least `least` in each image; the run is that of a detector.

    Files are decoded as in training. Raises RunError.
    """
    from netdsl.runtime.detection.task import Detection  # late: slow to import

    task = task_of(run.network)
    assert isinstance(task, Detection)
    task = replace(task, least=least)
    deployed = InferenceModel(run.model(which, device), run.preprocessing(which))
    _, height, width = shape = run.network.input_shape
    for file in images:
        try:
            pixels, opened = decode_one(file, shape)
        except Undecodable as error:
            yield FoundBoxes(file, None, str(error))
            continue
        image = torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1)[None]
        with torch.inference_mode():
            (found,) = map(Detections.cpu, task.detections(deployed.outputs(image.float() / 255)))
        _, own_height, own_width = opened.size
        scale = torch.tensor([own_width / width, own_height / height]).repeat(2)
        yield FoundBoxes(file, found._replace(boxes=found.boxes * scale), opened.remark)


def draw_boxes(images: Sequence[FoundBoxes], classes: Sequence[str], picture: Path) -> None:
    """Draws the boxes in their image. Raises RunError if there are several images, or it can't be written."""
    from netdsl.runtime.detection import draw  # late: slow to import

    if len(images) != 1:
        raise RunError(
            f"a picture has one image, not {len(images)}", "name one image, or leave `--output` out"
        )
    ((file, found, remark),) = images
    if found is None:
        raise RunError(f"{file}: {remark}")
    pixels = torch.from_numpy(np.array(open_image(file, 3).image)).permute(2, 0, 1)
    draw.write_picture(draw.with_detections(pixels, found, classes), picture)


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
