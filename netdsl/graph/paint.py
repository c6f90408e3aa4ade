"""TypedNetwork to the bytes of a picture."""

from __future__ import annotations

from netdsl.graph.draw import draw
from netdsl.graph.figure import figure
from netdsl.typed import TypedNetwork


def paint(network: TypedNetwork, suffix: str) -> bytes:
    """A picture in the format that a file name's ending means: `.svg`, `.png` or `.html`."""
    drawing = draw(figure(network))
    if suffix == ".png":
        from netdsl.graph.png import png

        return png(drawing)
    if suffix == ".html":
        from netdsl.graph.page import page

        return page(drawing).encode()
    from netdsl.graph.svg import svg

    return svg(drawing).encode()
