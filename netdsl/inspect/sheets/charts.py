"""Charts of filters, activation maps, embeddings, confusion matrices and precisions of detectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from netdsl.inspect.sheets.captions import fitting
from netdsl.runtime.plot import legend_label, plain, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# The most filters or channels that are shown.
MOST = 64
# Font sizes in points: of text, and of numbers above small images and in cells.
_FONT, _SMALL = 9, 6
# The distance from one small image to the next, in sides of one, with room for a number above each.
_RIGHT, _DOWN = 1.1, 1.3
# The most classes with a legend, and with numbers in the cells of a matrix.
_COLOURS, _CELLS = 10, 25
# The largest number that a cell of a matrix has room for.
_LONGEST = 99_999
# The most lines that the name of one of many classes is moved up from its points.
_HIGHER = 3


def write_filters(filters: Tensor, file: Path, title: str) -> None:
    """Draws the first 64 filters (F, C, h, w) as images on one scale: zero is gray, the largest weight white
    or full colour. Filters of 3 channels are in colour, others gray.

    Raises RunError if the file can't be written.
    """
    shown = filters[:MOST].detach().cpu()
    images = (shown / (float(shown.abs().max()) or 1.0) + 1) / 2
    across = min(len(shown), ceil(sqrt(2 * len(shown))))
    figure, (axes,) = _canvas(across, ceil(len(shown) / across), 1, title)
    for number, image in enumerate(images):
        tile = image.permute(1, 2, 0) if len(image) == 3 else image[0]
        _place(axes, tile, number % across, number // across, str(number), cmap="gray", vmin=0, vmax=1)
    write_figure(figure, file)


def write_maps(images: Tensor, maps: Tensor, names: Sequence[str], file: Path, title: str) -> None:
    """Draws the first 64 channels of feature maps, (N, C, h, w), beside their images, (N, C, H, W), on one
    scale with a colour bar. One value in 200 is clipped.

    Raises RunError if the file can't be written.
    """
    shown = maps[:, :MOST].detach().cpu()
    signed = bool(shown.min() < 0)
    largest = _nearly_largest(shown)
    across = min(ceil(shown.shape[1] / 2), 16)  # the image is two rows high
    rows = max(2, ceil(shown.shape[1] / across))
    figure, canvas = _canvas(across + 2.5, rows, len(shown), title)
    scale: dict[str, Any] = {"cmap": "RdBu_r" if signed else "magma", "vmin": -largest * signed}
    for axes, image, channels, name in zip(canvas, images, shown, names, strict=True):
        pixels = image.detach().cpu().clamp(0, 1).permute(1, 2, 0)
        _place(axes, pixels, 0, 0, name, side=1 + _DOWN, cmap="gray", vmin=0, vmax=1)
        for number, channel in enumerate(channels):
            at = (number % across + 2.5, number // across)
            drawn = _place(axes, channel, *at, str(number), vmax=largest, **scale)
    ends = "both" if signed else "max"
    bar = figure.colorbar(drawn, ax=canvas, extend=ends, fraction=0.02, pad=0.01, aspect=12 * len(canvas))
    bar.ax.tick_params(labelsize=_SMALL)
    write_figure(figure, file)


def write_embedding(
    points: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    file: Path,
    title: str,
    axes_names: tuple[str, str],
) -> None:
    """Draws points (N, 2) in the colours of their classes. The name of a class is at the median of its
    points, if there is room; up to ten classes also have a legend.

    Raises RunError if the file can't be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    few = len(classes) <= _COLOURS
    figure = Figure(figsize=(8, 6.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    named: list[tuple[str, float, float]] = []
    for number, name in enumerate(classes):
        own = points[labels == number]
        if not len(own):
            continue
        colour = colormaps["tab10"](number) if few else colormaps["turbo"](number / (len(classes) - 1))
        text = plain(fitting(name))
        # The blank: legends ignore labels with a leading underscore.
        x, y = own.T.numpy()
        axes.scatter(x, y, s=7, color=colour, alpha=0.6, linewidths=0, label=" " + text)
        named.append((text, *own.median(0).values.tolist()))
    _label(axes, named, *((_FONT + 1, _COLOURS) if few else (_SMALL, _HIGHER)))
    axes.set(xlabel=axes_names[0], ylabel=axes_names[1], xticks=[], yticks=[])
    axes.set_title(plain(title), fontsize=_FONT + 1)
    if few:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=_FONT, markerscale=2.5)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
    write_figure(figure, file)


def _label(axes: Axes, named: Sequence[tuple[str, float, float]], size: float, lines: int) -> None:
    """Writes names at points, from the lowest up. A name that would cover another is moved up by at most
    `lines` lines; if there is no room, it is omitted.
    """
    from matplotlib.patheffects import withStroke

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # The approximate size of a letter, in data coordinates.
    letter, line = (right - left) * size * 0.0013, (top - bottom) * size * 0.0032
    placed: list[tuple[float, float, float]] = []
    for text, x, y in sorted(named, key=lambda place: place[2]):
        half = len(text) * letter / 2
        x = max(left + half, min(x, right - half))
        for higher in (y + step * line / 4 for step in range(4 * lines + 1)):
            covers = any(abs(x - a) < half + width and abs(higher - b) < line for a, b, width in placed)
            if not covers and higher < top - line / 2:
                placed.append((x, higher, half))
                drawn = axes.text(x, higher, text, fontsize=size, ha="center", va="center", zorder=3)
                drawn.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
                break


def write_confusion(counts: Tensor, classes: Sequence[str], file: Path, title: str) -> None:
    """Draws a confusion matrix: the images of each class (row) by predicted class (column). A cell's colour
    is its fraction of the row; up to 25 classes have counts in the cells, or fractions where counts are too
    long.

    Raises RunError if the file can't be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    count = len(classes)
    side = min(12.0, max(4.5, 0.55 * count))
    figure = Figure(figsize=(side + 1.5, side + 0.7), dpi=110, layout="compressed")
    axes = figure.subplots()
    drawn = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    size = _FONT if count <= _CELLS else _SMALL * 0.8
    names = [plain(fitting(name)) for name in classes]
    axes.set_xticks(range(count), names, rotation=90 if count > _COLOURS else 45, fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    if count <= _COLOURS:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set(xlabel="predicted", ylabel="class")
    axes.set_title(plain(title), fontsize=_FONT + 1)
    if count <= _CELLS:
        long = counts.max() > _LONGEST
        for row, column in (counts > 0).nonzero().tolist():
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{shares[row, column]:.1%}" if long else f"{int(counts[row, column])}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=_FONT - 1)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02, format=PercentFormatter(xmax=1))
    bar.set_label("share of the class", fontsize=_FONT)
    write_figure(figure, file)


def write_precision_recall(
    curves: Tensor, precisions: Sequence[float | None], classes: Sequence[str], file: Path, title: str
) -> None:
    """Draws the precision of each class over the recall from 0 to 1, (K, R); NaN for classes without boxes.

    `precisions` are the average precisions at the curves' IoU of 0.5, by which the legend is sorted; of more
    than ten classes it names the best and the worst five. Raises RunError if the file can't be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 5.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    few = len(classes) <= _COLOURS
    known = [(value, number) for number, value in enumerate(precisions) if value is not None]
    ranked = sorted(known, reverse=True)
    half = _COLOURS // 2
    named = {number for _, number in (ranked if few else [*ranked[:half], *ranked[-half:]])}
    recalls = [step / (curves.shape[1] - 1) for step in range(curves.shape[1])]
    for rank, (value, number) in enumerate(ranked):
        colour = colormaps["tab10"](number) if few else colormaps["turbo"](rank / max(1, len(ranked) - 1))
        label = legend_label(f"{fitting(classes[number])} {value:.3f}") if number in named else None
        axes.plot(recalls, curves[number].tolist(), color=colour, label=label, linewidth=1.5)
    if not few:
        mean = curves[[number for _, number in ranked]].mean(0)
        axes.plot(recalls, mean.tolist(), color="black", label="mean", linewidth=2.5)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.grid(alpha=0.3)
    axes.set_title(plain(title), fontsize=_FONT + 1)
    if ranked:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=_FONT, title="AP50")
    write_figure(figure, file)


def _nearly_largest(numbers: Tensor) -> float:
    """The 99.5 % quantile of the absolute values: scaled by the maximum, most values would be dark."""
    sizes = numbers.abs().flatten()
    return sizes.kthvalue(max(1, int(0.995 * len(sizes)))).values.item() or float(sizes.max()) or 1.0


def _canvas(across: float, rows: int, bands: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with `bands` axes, each with room for rows of small images."""
    from matplotlib.figure import Figure

    tile = min(0.95, max(0.5, 8 / across))  # inches
    width, height = _RIGHT * across, _DOWN * rows + 0.3
    figure = Figure(
        figsize=(max(4.5, width * tile + 0.8), height * bands * tile + 0.4), dpi=130, layout="compressed"
    )
    figure.suptitle(plain(title), fontsize=_FONT)
    canvas = figure.subplots(bands, 1, squeeze=False)[:, 0].tolist()
    for axes in canvas:
        axes.set_axis_off()
        axes.set(xlim=(-0.05, width), ylim=(height - 0.3, -0.3), aspect="equal")
    return figure, canvas


def _place(
    axes: Axes, pixels: Tensor, column: float, row: float, caption: str, side: float = 1, **scale: Any
) -> AxesImage:
    """Draws an image at its position in the axes, with its caption above."""
    left, top = column * _RIGHT, row * _DOWN
    height, width = pixels.shape[:2]
    long = max(height, width)
    extent = (left, left + side * width / long, top + side * height / long, top)
    axes.text(left, top - 0.03, plain(caption), fontsize=_SMALL, va="bottom")
    limits = axes.axis()
    drawn = axes.imshow(pixels.numpy(), extent=extent, interpolation="nearest", aspect="equal", **scale)
    axes.axis(limits)  # `imshow` changes them
    return drawn
