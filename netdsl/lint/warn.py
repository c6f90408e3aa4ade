"""Warnings: of names and of layers. A network with errors has none, since an error may be their cause."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics
from netdsl.ir.typed import TypedNetwork
from netdsl.lint.suspicious_layers import warn_of_layers
from netdsl.lint.unused_names import warn_of_names
from netdsl.resolve.load_files import File


def warn(files: Mapping[str, File], network: TypedNetwork, diagnostics: Diagnostics) -> None:
    """Adds the warnings of a network, but for those that a comment in their line allows."""
    found = Diagnostics()
    warn_of_names(files, found)
    warn_of_layers(network, found)
    for warning in found:
        if not is_allowed(warning.code, warning.labels[0].span):
            diagnostics.add(warning)


def is_allowed(code: str, span: Span) -> bool:
    """Whether `# allow NET703` stands in the line that is warned of."""
    line = span.source.line(span.source.position(span.start)[0])
    _, allow, codes = line.partition("# allow ")
    return bool(allow) and code in codes.replace(",", " ").split()
