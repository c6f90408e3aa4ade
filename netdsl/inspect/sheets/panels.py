"""Sheets: rows of images with captions in one file."""

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

# Colour maps: sequential (`turbo` for maps over images), or diverging around zero.
Colours: TypeAlias = Literal["magma", "turbo", "gray", "RdBu_r"]

# In inches: the side of an image, a line of its caption, the gap around both, and the title. In points: the
# size of letters.
_SIDE, _LINE, _GAP, _TITLE, _FONT = 1.6, 0.15, 0.1, 0.35, 8
# The opacity of a map over an image.
_COVER = 0.5


class Panel(NamedTuple):
    """An image (C, H, W) from 0 to 1, or a map (H, W), shown in `colours` from the smallest to the largest
    value (`RdBu_r`: with 0 in the middle). A map may be drawn `over` an image, scaled to its size.
    """

    image: Tensor
    caption: str = ""
    colours: Colours = "magma"
    over: Tensor | None = None


def write_sheet(rows: Sequence[Sequence[Panel]], file: Path, title: str = "") -> None:
    """Draws rows of panels into a file whose ending chooses the format; pixels are squares.

    Raises RunError if the format is unknown, or the file can't be written.
    """
    # Imported here, since it is slow.
    from matplotlib.figure import Figure

    across = max(len(row) for row in rows)
    lines = [max(panel.caption.count("\n") + bool(panel.caption) for panel in row) for row in rows]
    heights = [_SIDE + _LINE * count + 1.5 * _GAP for count in lines]
    width, height = across * (_SIDE + _GAP) + _GAP, sum(heights) + (_TITLE if title else 0)
    figure = Figure(figsize=(width, height), dpi=150)
    if title:
        figure.suptitle(plain(title), fontsize=_FONT + 2, y=1 - _TITLE / 2 / height, va="center")
    # Positioned explicitly, so that all images have the same size.
    bottom = sum(heights)
    for row, needed in zip(rows, heights, strict=True):
        bottom -= needed
        for place, panel in enumerate(row):
            left = _GAP + place * (_SIDE + _GAP)
            box = (left / width, (bottom + _GAP / 2) / height, _SIDE / width, _SIDE / height)
            _draw(figure.add_axes(box), panel)
    write_figure(figure, file)


def in_rows(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """Rows of nearly equal length, with at most `most` items."""
    across = math.ceil(len(items) / math.ceil(len(items) / most))
    return [items[first : first + across] for first in range(0, len(items), across)]


def _draw(axes: Axes, panel: Panel) -> None:
    height, width = (panel.image if panel.over is None else panel.over).shape[-2:]
    # Maps are coarser than the image below them: both get the same extent.
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
    # With `y`: otherwise matplotlib measures the invisible axes.
    axes.set_title(plain(panel.caption), fontsize=_FONT, y=1, pad=4)


def _pixels(image: Tensor) -> NDArray[Any]:
    """(C, H, W) as an array for matplotlib: (H, W, 3), or (H, W) for one channel."""
    image = image.detach().cpu().clamp(0, 1)
    return (image[0] if len(image) == 1 else image.permute(1, 2, 0)).numpy()
