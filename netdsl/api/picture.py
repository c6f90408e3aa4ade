"""The picture of a network."""

from __future__ import annotations

from base64 import b64encode
from os import PathLike, fspath
from pathlib import Path

from netdsl.base.atomic import write
from netdsl.graph.render_picture import render_picture
from netdsl.ir.typed import TypedNetwork


class Picture:
    """The picture of a network, made by `Network.graph`: SVG text, or a file.

    Its methods raise `netdsl.graph.render_picture.TooLarge` if the network has too many different parts.
    """

    def __init__(self, network: TypedNetwork) -> None:
        self._network = network

    @property
    def svg(self) -> str:
        return render_picture(self._network, ".svg").decode()

    def save(self, file: str | PathLike[str]) -> None:
        """Writes the picture; the ending of `file` is its format: `.svg`, `.png` or `.html`."""
        path = Path(fspath(file))
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png", ".html"):
            raise ValueError(f"{path}: a picture is .svg, .png or .html")
        write(path, render_picture(self._network, suffix))

    def _repr_html_(self) -> str:
        """As an image: the ids and styles of several pictures in a page can't meet."""
        data = b64encode(self.svg.encode()).decode()
        return f'<img alt="the network" style="max-width:100%" src="data:image/svg+xml;base64,{data}">'
