"""Properties of fixes: a safe one removes its error and adds none, and `check --fix` leaves a stable text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.diagnostics.apply_fixes import apply_fixes, fixes_in, identity
from netdsl.diagnostics.fixes import edited
from netdsl.syntax.net_files import recorded
from tests.fuzz.checks import LIBRARIES, Finding

_NAME = "networks/fixed.net"


def diagnose(source: Source) -> tuple[Diagnostic, ...]:
    read = recorded({f"networks/{name}": text for name, text in LIBRARIES.items()}, "corpus")
    return compile_network(source, read=read).diagnostics


def check_fixes(text: str, most: int | None = None) -> Iterator[Finding]:
    """The findings about the fixes of a text's first diagnostics, at `most` so many."""
    source = Source(_NAME, text)
    before = diagnose(source)
    for found in before[:most]:
        for fix in fixes_in(source, found):
            yield from _check(source, before, found, fix)
    fixed = apply_fixes(source, diagnose)
    if apply_fixes(fixed.source, diagnose).source.text != fixed.source.text:
        yield Finding("fixes are not stable", "", fixed.source.text)


def _check(source: Source, before: Sequence[Diagnostic], found: Diagnostic, fix: Fix) -> Iterator[Finding]:
    place = f"{found.slug}: {fix.title}"
    spans = sorted((edit.span.start, edit.span.end) for edit in fix.edits)
    if any(end > start for (_, end), (start, _) in pairwise(spans)):
        yield Finding("edits overlap", place, source.text)
    if not all(0 <= start <= end <= len(source.text) for start, end in spans):
        yield Finding("edit outside of the text", place, source.text)
    if not fix.safe:
        return
    text = edited(source.text, fix.edits)
    after = diagnose(Source(_NAME, text))
    if Counter(map(identity, after))[identity(found)] >= Counter(map(identity, before))[identity(found)]:
        yield Finding("a safe fix leaves its error", place, text)
    if sum(old.severity == "error" for old in before) > 1:
        return  # one may hide others
    known, written = set(map(identity, before)), list(_written(fix))
    last = max(end for _, end in written)
    for new in after:
        # One of a later pass, such as a shape after an undefined name, could not be seen before, nor one
        # elsewhere in the same pass, nor one of syntax behind the mistake. Codes from NET105 on are of
        # statements that could be read.
        span = new.labels[0].span if new.labels else None
        here = span and any(start < span.end and span.start < end for start, end in written)
        later = here and new.code[3] <= found.code[3] < "7"
        seen = span and span.end <= last if new.code < "NET105" else later
        hidden = new.slug in ("unreadable-file", "missing-statement") or identity(new) in known
        if new.severity == "error" and seen and not hidden:
            yield Finding("a safe fix adds an error", f"{place} -> {new.slug}: {new.message}", text)


def _written(fix: Fix) -> Iterator[tuple[int, int]]:
    """The places of the new texts in the edited text."""
    moved = 0
    for span, new in sorted(fix.edits, key=lambda edit: edit.span.start):
        yield span.start + moved, span.start + moved + len(new)
        moved += len(new) - (span.end - span.start)
