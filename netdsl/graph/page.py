"""Drawing to a self-contained HTML page."""

from __future__ import annotations

from netdsl.base.resources import TEMPLATES
from netdsl.graph import theme
from netdsl.graph.drawing import Drawing
from netdsl.graph.svg import svg


def page(drawing: Drawing) -> str:
    """A page with the picture, with facts as tooltips."""
    from jinja2 import Environment, FileSystemLoader

    layout = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("page.html.j2")
    return layout.render(title=drawing.title, picture=svg(drawing), theme=theme) + "\n"
