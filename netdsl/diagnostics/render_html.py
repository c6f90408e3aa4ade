"""Diagnostics as HTML, for notebooks: the text of a terminal in its colours."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import get_args

from netdsl.diagnostics.diagnostic import Diagnostic
from netdsl.diagnostics.render_text import Role, render

# Readable on white and on black; other roles have the colour of the text.
_COLOURS: dict[Role, str] = {
    "error": "color:#d1242f;font-weight:bold",
    "warning": "color:#a86500;font-weight:bold",
    "message": "font-weight:bold",
    "related": "color:#2f7de1;font-weight:bold",
    "gutter": "opacity:.6",
    "help": "color:#0f8a8a;font-weight:bold",
}
_ROLES: tuple[Role, ...] = get_args(Role)
# Marks around coloured pieces until the text is escaped; source text never has them, since characters of
# private use are not printable.
_FIRST, _END = 0xE000, "\uf8ff"


def diagnostics_html(diagnostics: Iterable[Diagnostic]) -> str:
    """All diagnostics; empty if there are none."""
    text = "\n\n".join(render(diagnostic, paint=_marked) for diagnostic in diagnostics)
    if not text:
        return ""
    html = escape(text).replace(_END, "</span>")
    for number, role in enumerate(_ROLES):
        html = html.replace(chr(_FIRST + number), f'<span style="{_COLOURS[role]}">')
    return f'<pre style="font-family:monospace;line-height:1.35;white-space:pre-wrap">{html}</pre>'


def _marked(text: str, role: Role) -> str:
    return f"{chr(_FIRST + _ROLES.index(role))}{text}{_END}"
