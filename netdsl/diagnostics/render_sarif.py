"""Diagnostics as a SARIF 2.1.0 log, which code hosts and editors read.

Specification: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import PurePath
from typing import Any

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostic, Fix, Label
from netdsl.diagnostics.render_json import full_message
from netdsl.diagnostics.rules import RULES, rule

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif_log(diagnostics: Iterable[Diagnostic], version: str) -> dict[str, Any]:
    """The log of one run of netdsl, with its rules and a result for each diagnostic."""
    driver = {
        "name": "netdsl",
        "version": version,
        "rules": [
            {"id": each.slug, "name": each.code, "defaultConfiguration": {"level": each.severity}}
            for each in RULES
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic) for diagnostic in diagnostics],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(found: Diagnostic) -> dict[str, Any]:
    text = full_message(found) + (f"\nhelp: {found.help_text}" if found.help_text else "")
    result: dict[str, Any] = {
        "ruleId": found.slug,
        "ruleIndex": RULES.index(rule(found.name)),
        "level": found.severity,
        "message": {"text": text},
    }
    if (first := found.labels[:1]) and not first[0].span.source.is_option:
        result["locations"] = [_location(label) for label in first]
    result["relatedLocations"] = [
        {**_location(label), "message": {"text": label.text or "see here"}} for label in found.labels[1:]
    ]
    result["fixes"] = [_fix(fix) for fix in found.fixes]
    return result


def _fix(fix: Fix) -> dict[str, Any]:
    edits = sorted(fix.edits, key=lambda edit: (edit.span.source.name, edit.span.start))
    changes = [
        {
            "artifactLocation": {"uri": _uri(source.name)},
            "replacements": [
                {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.new_text}}
                for edit in inside
            ],
        }
        for source, inside in groupby(edits, key=lambda edit: edit.span.source)
    ]
    return {"description": {"text": fix.title}, "artifactChanges": changes}


def _location(label: Label) -> dict[str, Any]:
    span = label.span
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(span.source.name)}, "region": _region(span)}
    }


def _region(span: Span) -> dict[str, int]:
    """Lines and columns from 1, the end excluded."""
    (line, column), (end_line, end_column) = map(span.source.position, (span.start, span.end))
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _uri(name: str) -> str:
    """A relative path as it is, an absolute one as a `file:` URI."""
    path = PurePath(name)
    return path.as_uri() if path.is_absolute() else path.as_posix().replace(" ", "%20")
