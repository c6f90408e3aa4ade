"""Comments that allow a warning."""

from __future__ import annotations

from netdsl.base.source import Span


def is_allowed(code: str, span: Span) -> bool:
    """Whether `# allow NET703` stands in the line that is warned of."""
    line = span.source.line(span.source.position(span.start)[0])
    _, allow, codes = line.partition("# allow ")
    return bool(allow) and code in codes.replace(",", " ").split()
