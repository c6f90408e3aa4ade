"""Comments that suppress a warning."""

from __future__ import annotations

from netdsl.base.source import Span


def is_allowed(code: str, span: Span) -> bool:
    """Whether the line of a warning has a comment `# allow NET703`."""
    line = span.source.line(span.source.position(span.start)[0])
    _, allow, codes = line.partition("# allow ")
    return bool(allow) and code in codes.replace(",", " ").split()
