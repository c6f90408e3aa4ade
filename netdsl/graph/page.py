"""Drawing to a self-contained HTML page."""

from __future__ import annotations

from html import escape

from netdsl.graph import theme
from netdsl.graph.drawing import Drawing
from netdsl.graph.svg import svg

# Shows an element's `<title>` at the pointer without delay; without scripts the browser shows it.
_SCRIPT = """
const facts = document.getElementById("facts");
for (const title of document.querySelectorAll("svg title")) {
  const shape = title.parentElement, text = title.textContent;
  title.remove();
  shape.classList.add("told");
  shape.addEventListener("pointermove", event => {
    facts.textContent = text;
    facts.hidden = false;
    facts.style.left = Math.min(event.clientX + 14, innerWidth - facts.offsetWidth - 8) + "px";
    facts.style.top = Math.min(event.clientY + 14, innerHeight - facts.offsetHeight - 8) + "px";
  });
  shape.addEventListener("pointerleave", () => { facts.hidden = true; });
}
"""

_CSS = f"""
body {{ margin: 2rem auto; padding: 0 1rem; max-width: 1200px; background: {theme.PAPER}; }}
svg {{ display: block; width: 100%; height: auto; }}
.told:hover {{ stroke-width: 2; }}
#facts {{ position: fixed; max-width: 40rem; padding: .5rem .7rem; border-radius: 4px;
  white-space: pre-wrap; font: 13px/1.45 system-ui, sans-serif; color: {theme.PAPER};
  background: {theme.INK}; pointer-events: none; }}
@media print {{ #facts {{ display: none; }} }}
"""


def page(drawing: Drawing) -> str:
    """A page with the picture, with facts as tooltips."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
        f"<title>{escape(drawing.title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f'{svg(drawing)}<div id="facts" hidden></div>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )
