"""TypedNetwork to the bytes of a picture."""

from __future__ import annotations

from netdsl.graph.draw import draw
from netdsl.graph.figure import figure
from netdsl.graph.figure_nodes import boxes
from netdsl.ir.typed import TypedNetwork

# A larger picture would be slow to draw and not readable.
MOST_BOXES = 1000


class TooLarge(Exception):
    """The network has too many different parts for one picture."""


def render_picture(network: TypedNetwork, suffix: str) -> bytes:
    """A picture in the format of a file name's ending: `.svg`, `.png` or `.html`.

    Raises TooLarge.
    """
    shown = figure(network)
    if (count := boxes(shown)) > MOST_BOXES:
        raise TooLarge(f"the picture would have {count:,} boxes, more than the limit of {MOST_BOXES:,}")
    drawing = draw(shown)
    if suffix == ".png":
        from netdsl.graph.png import png

        return png(drawing)
    if suffix == ".html":
        from netdsl.graph.page import page

        return page(drawing).encode()
    from netdsl.graph.svg import svg

    return svg(drawing).encode()
