"""Comments that suppress a warning."""

from __future__ import annotations

from netdsl.base.source import Span
from netdsl.diagnostics.rules import rule


def is_allowed(name: str, span: Span) -> bool:
    """True if the line of a warning has a comment `# allow NET703`, or with the slug of its rule."""
    line = span.source.line(span.source.position(span.start)[0])
    _, allow, codes = line.partition("# allow ")
    return bool(allow) and not {*rule(name)}.isdisjoint(codes.replace(",", " ").split())
