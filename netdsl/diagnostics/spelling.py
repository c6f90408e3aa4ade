"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from netdsl.base.source import Span
from netdsl.diagnostics.fixes import Fix, write

# Of names that are less alike the user must say what was meant.
_SAFE = 0.74
# Names that are compared, those with the same first letters before others: each takes 5 µs.
_MOST = 200


def closest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like a misspelt one; empty if none is."""
    from difflib import get_close_matches

    spelt = {word.lower(): word for word in known}
    # Of two letters or fewer everything is near.
    cutoff = 0.61 if len(name) > 2 else 1  # `depth` and `width` have 0.6
    start = name[:2].lower()
    first = [word for word in spelt if word.startswith(start)]
    likely = [*first, *islice((word for word in spelt if not word.startswith(start)), _MOST)][:_MOST]
    match = get_close_matches(name.lower(), likely, n=1, cutoff=cutoff)
    return spelt[match[0]] if match else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` for a misspelt name, or the empty string."""
    found = closest(name, known)
    return f"did you mean `{found}`?" if found else ""


def misspelt(span: Span, known: Iterable[str], name: str = "") -> Fix | None:
    """The fix for the misspelt name at a span; None if no known name is like it."""
    from difflib import SequenceMatcher

    name = name or span.text
    found = closest(name, known)
    if not found:
        return None
    alike = SequenceMatcher(None, found.lower(), name.lower()).ratio()
    fix = write(span, found, safe=alike >= _SAFE)
    return Fix(f"did you mean `{found}`?", fix.edits, fix.safe)
