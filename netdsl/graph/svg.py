"""Drawing to SVG."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from netdsl.graph import theme
from netdsl.graph.connectors import connector
from netdsl.graph.drawing import Box, Drawing, Item, Line, Point, Text

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(drawing: Drawing) -> str:
    """One `<svg>` element; the facts of nodes are in `<title>` elements."""
    width, height = _number(drawing.width), _number(drawing.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="{FONT}"'
        f' role="img" aria-label={quoteattr(drawing.title)}>',
        f'<rect width="{width}" height="{height}" fill="{theme.PAPER}"/>',
        *(_element(item) for item in drawing.items),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(item: Item) -> str:
    match item:
        case Box():
            return _box(item)
        case Text():
            return _text(item)
        case Line():
            return _line(item)


def _box(box: Box) -> str:
    dashes = ' stroke-dasharray="3 2"' if box.dashed else ""
    panel = f' data-{box.kind}="{box.panel}"' if box.panel else ""
    tag = (
        f'<rect{panel} x="{_number(box.x)}" y="{_number(box.y)}" width="{_number(box.width)}"'
        f' height="{_number(box.height)}" rx="{_number(min(box.radius, box.height / 2))}"'
        f' fill="{box.fill}" stroke="{box.stroke}" stroke-width="{theme.STROKE}"{dashes}'
    )
    if not box.facts:
        return f"{tag}/>"
    return f"{tag}><title>{escape(chr(10).join(box.facts))}</title></rect>"


def _text(text: Text) -> str:
    """`textLength` keeps the width if a viewer has another font."""
    weight = ' font-weight="bold"' if text.bold else ""
    return (
        f'<text x="{_number(text.left)}" y="{_number(text.y)}" font-size="{text.size:g}"{weight}'
        f' fill="{text.colour}" textLength="{_number(text.width)}" lengthAdjust="spacingAndGlyphs"'
        f' pointer-events="none">{escape(text.text)}</text>'
    )


def _line(line: Line) -> str:
    start, corners, end, head = connector(line)
    turns = "".join(f"L{_point(turn.start)}Q{_point(turn.at)} {_point(turn.end)}" for turn in corners)
    d = f"M{_point(start)}{turns}L{_point(end)}"
    path = f'<path d="{d}" fill="none" stroke="{theme.LINE}" stroke-width="{theme.STROKE}"/>'
    if head:
        path += f'<path d="M{"L".join(map(_point, head))}z" fill="{theme.LINE}"/>'
    return path


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
