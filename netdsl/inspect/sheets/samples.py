"""Sheets of training images with their labels: as they are in their files, and as the training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from netdsl.inspect.sheets.captions import fitting, short
from netdsl.inspect.sheets.panels import Panel, in_rows, write_sheet
from netdsl.language.recipe import Recipe
from netdsl.runtime.data import Dataset
from netdsl.runtime.data_summary import DataSummary, spread
from netdsl.runtime.detection.draw import with_truth
from netdsl.runtime.first_batch import first_batch
from netdsl.runtime.segmentation.draw import with_classes
from netdsl.runtime.segmentation.mask_folder import read_mask

# The height of letters on an image, of its longer side: panels are small.
_LETTERS = 1 / 32


def write_samples(data: DataSummary, file: Path, most: int, across: int) -> None:
    """Draws at most `most` training images, evenly spaced, in rows of `across`; boxes and masks are drawn on
    them.

    Raises RunError if the file can't be written.
    """
    panels = []
    for sample in spread(data.parts["train"].samples, most):
        image = sample.pixels()
        if sample.mask is not None:
            target = read_mask(sample.mask, (image.shape[1], image.shape[2]))
        elif sample.label is None:
            target = sample.boxes_in(image)
        else:
            target = torch.tensor(sample.label)
        panels.append(_panel(image, target, data.classes, short(str(sample.file))))
    shown = f"{len(panels)} of {len(data.parts['train'].samples):,} training images"
    write_sheet(in_rows(panels, across), file, f"{Path(data.path).name}: {shown}")


def write_first_batch(data: Dataset, recipe: Recipe, file: Path, most: int, across: int) -> None:
    """Draws the first images of the first epoch, at most `most`, after augmentation; `data` is on the CPU.

    Raises RunError if the file can't be written.
    """
    images, targets = first_batch(data, recipe, most)
    pixels = (images * 255).round().clamp(0, 255).byte()
    panels = [_panel(*pair, data.classes) for pair in zip(pixels, targets, strict=True)]
    write_sheet(in_rows(panels, across), file)


def _panel(image: Tensor, target: Tensor, classes: Sequence[str], name: str = "") -> Panel:
    """An image (C, H, W) uint8 with what the network is to predict, as `augment.apply` returns it: a mask
    (H, W), boxes (M, 5), a class, or a mixture of two (3,). `name` is that of its file.
    """
    lines = [name] if name else []
    if target.dtype is torch.uint8:
        image = with_classes(image, target, classes)
    elif target.dim() == 2:
        image = with_truth(image, target, classes, _LETTERS)
    elif target.dim() == 1:
        first, second, share = target.tolist()
        lines = [f"{classes[int(first)]} {share:.0%}", f"{classes[int(second)]} {1 - share:.0%}", *lines]
    else:
        lines = [classes[int(target)], *lines]
    return Panel(image.float() / 255, "\n".join(map(fitting, lines)))
