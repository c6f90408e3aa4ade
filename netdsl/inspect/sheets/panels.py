"""Sheets of pictures: rows of images with captions, in one file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from netdsl.runtime.plot import plain, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")

# How numbers become colours: from nothing to much (`turbo` is to be seen over an image), or from minus over
# nothing to plus.
Colours: TypeAlias = Literal["magma", "turbo", "gray", "RdBu_r"]

# Inches: the side of an image, a line of its caption, what is left around both, and the title; points: the
# size of the letters.
_SIDE, _LINE, _GAP, _TITLE, _FONT = 1.6, 0.15, 0.1, 0.35, 8
# How much of a map that lies over an image covers it.
_COVER = 0.5


class Panel(NamedTuple):
    """An image (C, H, W) from 0 to 1, or a map of numbers (H, W), shown in `colours` from the least to the
    largest (`RdBu_r`: with 0 in the middle). A map may lie `over` an image, and is stretched to its size.
    """

    image: Tensor
    caption: str = ""
    colours: Colours = "magma"
    over: Tensor | None = None


def write_sheet(rows: Sequence[Sequence[Panel]], file: Path, title: str = "") -> None:
    """Draws rows of panels into a file whose ending chooses the format; pixels are squares.

    Raises RunError where the ending is no format, or the file can't be written.
    """
    # Imported here: it takes longer than all else. A Figure of its own needs no screen.
    from matplotlib.figure import Figure

    across = max(len(row) for row in rows)
    lines = [max(panel.caption.count("\n") + bool(panel.caption) for panel in row) for row in rows]
    heights = [_SIDE + _LINE * count + 1.5 * _GAP for count in lines]
    width, height = across * (_SIDE + _GAP) + _GAP, sum(heights) + (_TITLE if title else 0)
    figure = Figure(figsize=(width, height), dpi=150)
    if title:
        figure.suptitle(plain(title), fontsize=_FONT + 2, y=1 - _TITLE / 2 / height, va="center")
    # Placed by hand: images are of one size, whatever their captions.
    bottom = sum(heights)
    for row, needed in zip(rows, heights, strict=True):
        bottom -= needed
        for place, panel in enumerate(row):
            left = _GAP + place * (_SIDE + _GAP)
            box = (left / width, (bottom + _GAP / 2) / height, _SIDE / width, _SIDE / height)
            _draw(figure.add_axes(box), panel)
    write_figure(figure, file)


def in_rows(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """Rows of nearly equal length, of `most` items at the most."""
    across = math.ceil(len(items) / math.ceil(len(items) / most))
    return [items[first : first + across] for first in range(0, len(items), across)]


def _draw(axes: Axes, panel: Panel) -> None:
    height, width = (panel.image if panel.over is None else panel.over).shape[-2:]
    # Maps are coarser than the image below them: both fill the same square.
    extent = (0.0, float(width), float(height), 0.0)
    if panel.over is not None:
        axes.imshow(_pixels(panel.over), extent=extent, cmap="gray", vmin=0, vmax=1)
    if panel.image.dim() == 3:
        axes.imshow(_pixels(panel.image), extent=extent, cmap="gray", vmin=0, vmax=1)
    else:
        numbers = panel.image.detach().cpu().numpy()
        largest = float(abs(numbers).max()) or 1.0
        low, high = (-largest, largest) if panel.colours == "RdBu_r" else (None, None)
        alpha = None if panel.over is None else _COVER
        smooth = "nearest" if panel.over is None else "bilinear"
        axes.imshow(
            numbers,
            cmap=panel.colours,
            extent=extent,
            vmin=low,
            vmax=high,
            alpha=alpha,
            interpolation=smooth,
        )
    axes.set_axis_off()
    # With `y`: to find the place by itself, matplotlib measures axes that nobody sees.
    axes.set_title(plain(panel.caption), fontsize=_FONT, y=1, pad=4)


def _pixels(image: Tensor) -> NDArray[Any]:
    """(C, H, W) as matplotlib takes it: (H, W, 3), or (H, W) for a gray one."""
    image = image.detach().cpu().clamp(0, 1)
    return (image[0] if len(image) == 1 else image.permute(1, 2, 0)).numpy()
