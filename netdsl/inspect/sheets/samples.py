"""The sheet of `netdsl data`: some training images with their labels."""

from __future__ import annotations

from pathlib import Path

from netdsl.inspect.sheets.captions import fitting, short
from netdsl.inspect.sheets.panels import Panel, in_rows, write_sheet
from netdsl.runtime.data_summary import DataSummary, spread
from netdsl.runtime.detection.draw import with_truth
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
        name = short(str(sample.file))
        if sample.mask is not None:
            mask = read_mask(sample.mask, (image.shape[1], image.shape[2]))
            image = with_classes(image, mask, data.classes)
            caption = fitting(name)
        elif sample.label is None:
            image = with_truth(image, sample.boxes_in(image), data.classes, _LETTERS)
            caption = fitting(name)
        else:
            caption = f"{fitting(data.classes[sample.label])}\n{fitting(name)}"
        panels.append(Panel(image.float() / 255, caption))
    shown = f"{len(panels)} of {len(data.parts['train'].samples):,} training images"
    write_sheet(in_rows(panels, across), file, f"{Path(data.path).name}: {shown}")
