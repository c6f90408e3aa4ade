"""Drawing to PNG."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from netdsl.graph import theme
from netdsl.graph.connectors import connector
from netdsl.graph.drawing import Box, Drawing, Item, Line, Text

if TYPE_CHECKING:
    from matplotlib.patches import Patch

POINTS_PER_INCH = 72
RESOLUTION = 220
# The most pixels along an edge; longer pictures have a lower resolution.
LARGEST = 12_000
# The length of a Bézier curve's handles for a quarter of a circle of radius 1.
CIRCLE = 0.5523


def png(drawing: Drawing) -> bytes:
    """The drawing, painted by matplotlib; the same bytes for the same drawing and matplotlib."""
    # Imported here, since it is slow. Unlike pyplot, a Figure needs no screen and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = drawing.width / POINTS_PER_INCH, drawing.height / POINTS_PER_INCH
    figure = Figure(figsize=inches, dpi=min(RESOLUTION, LARGEST / max(inches)), facecolor=theme.PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, drawing.width), ylim=(drawing.height, 0))
    axes.set_axis_off()
    with warnings.catch_warnings():
        # A letter that the font lacks, in a comment, is shown as an empty box.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        for order, item in enumerate(drawing.items):
            for patch in _patches(item):
                patch.set_zorder(order)
                axes.add_patch(patch)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _patches(item: Item) -> list[Patch]:
    match item:
        case Box():
            return [_box(item)]
        case Text():
            return [_text(item)]
        case Line():
            return _line(item)


def _box(box: Box) -> Patch:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    radius = min(box.radius, box.height / 2)
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = [((left, top), (0, 1), (1, 0)), ((right, top), (-1, 0), (0, 1))]
    corners += [((right, bottom), (0, -1), (-1, 0)), ((left, bottom), (1, 0), (0, -1))]
    vertices = [
        (x + dx * radius * share, y + dy * radius * share)
        for (x, y), before, after in corners
        for (dx, dy), share in ((before, 1), (before, 1 - CIRCLE), (after, 1 - CIRCLE), (after, 1))
    ]
    codes = [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4] * len(corners)
    codes[0] = Path.MOVETO
    return PathPatch(
        Path([*vertices, vertices[0]], [*codes, Path.CLOSEPOLY]),
        facecolor=box.fill,
        edgecolor=box.stroke,
        linewidth=theme.STROKE,
        linestyle=(0, (3, 2)) if box.dashed else "solid",
    )


def _line(line: Line) -> list[Patch]:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    start, corners, end, head = connector(line)
    vertices, codes = [start], [Path.MOVETO]
    for corner in corners:
        vertices += corner
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    path = Path([*vertices, end], [*codes, Path.LINETO])
    patches: list[Patch] = [
        PathPatch(path, fill=False, edgecolor=theme.LINE, linewidth=theme.STROKE, capstyle="butt")
    ]
    if head:
        patches.append(Polygon(head, facecolor=theme.LINE, linewidth=0))
    return patches


def _text(text: Text) -> Patch:
    """The letters as outlines, in the width that Helvetica would give them: the font that matplotlib
    brings along is wider.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath, text_to_path
    from matplotlib.transforms import Affine2D

    font = FontProperties(family="DejaVu Sans", weight="bold" if text.bold else "normal", size=text.size)
    own, _, _ = text_to_path.get_text_width_height_descent(text.text, font, ismath=False)
    narrowed = Affine2D().scale(text.width / (own or 1), -1).translate(text.left, text.y)
    # To matplotlib `$` starts a formula.
    path = TextPath((0, 0), text.text.replace("$", r"\$"), size=text.size, prop=font)
    return PathPatch(narrowed.transform_path(path), facecolor=text.colour, linewidth=0)
