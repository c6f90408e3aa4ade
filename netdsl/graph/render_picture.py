"""TypedNetwork to the bytes of a picture."""

from __future__ import annotations

from netdsl.graph.draw import draw
from netdsl.graph.figure import figure
from netdsl.graph.figure_nodes import boxes
from netdsl.ir.typed import TypedNetwork

# More would take long to draw, and nobody could read it.
MOST_BOXES = 1000


class TooLarge(Exception):
    """A network of too many different parts for one picture."""


def render_picture(network: TypedNetwork, suffix: str) -> bytes:
    """A picture in the format that a file name's ending means: `.svg`, `.png` or `.html`.

    Raises TooLarge.
    """
    shown = figure(network)
    if (count := boxes(shown)) > MOST_BOXES:
        raise TooLarge(f"the picture would have {count:,} boxes, and one has {MOST_BOXES:,} at most")
    drawing = draw(shown)
    if suffix == ".png":
        from netdsl.graph.png import png

        return png(drawing)
    if suffix == ".html":
        from netdsl.graph.page import page

        return page(drawing).encode()
    from netdsl.graph.svg import svg

    return svg(drawing).encode()
