"""The exception for a network that cannot be compiled."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.diagnostics.diagnostic import Diagnostic
from netdsl.diagnostics.render_text import render


class NetworkError(Exception):
    """A network that cannot be compiled; `diagnostics` are the reasons, and `str()` renders them all."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(render(diagnostic) for diagnostic in self.diagnostics))
