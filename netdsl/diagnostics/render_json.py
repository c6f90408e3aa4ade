"""Diagnostics for programs: JSON records, and workflow commands of GitHub Actions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostic, Fix, Label


@dataclass(frozen=True, slots=True)
class Place:
    """Lines and columns from 1, columns in code points, the end excluded; all None outside of files."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


def json_record(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as an object of `--format json`."""
    return {
        "code": diagnostic.code,
        "slug": diagnostic.slug,
        "severity": diagnostic.severity,
        **asdict(_place(diagnostic.labels[:1])),
        "message": full_message(diagnostic),
        "help": diagnostic.help_text,
        "fixes": [_fix(fix) for fix in diagnostic.fixes],
        "related": [{**asdict(_place((label,))), "message": label.text} for label in diagnostic.labels[1:]],
    }


def _fix(fix: Fix) -> dict[str, object]:
    edits = [{**asdict(_of_span(edit.span)), "new_text": edit.new_text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def workflow_command(diagnostic: Diagnostic) -> str:
    """The line by which GitHub shows the diagnostic beside the code."""
    place = _place(diagnostic.labels[:1])
    properties = {
        "file": place.file,
        "line": place.line,
        "col": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
        "title": diagnostic.code,
    }
    given = [f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None]
    lines = [full_message(diagnostic)]
    for label in diagnostic.labels[1:]:
        other = _place((label,))
        lines.append(f"{other.file}:{other.line}: {label.text or 'see here'}")
    if diagnostic.help_text:
        lines.append(f"help: {diagnostic.help_text}")
    return f"::{diagnostic.severity} {','.join(given)}::{_data(chr(10).join(lines))}"


def _place(labels: tuple[Label, ...]) -> Place:
    """The place of the first label, if it is in a file."""
    return Place() if not labels or labels[0].span.source.is_option else _of_span(labels[0].span)


def _of_span(span: Span) -> Place:
    return Place(span.source.name, *span.source.position(span.start), *span.source.position(span.end))


def full_message(diagnostic: Diagnostic) -> str:
    """The message with the text of its first label; each note is on its own line."""
    message = diagnostic.message
    for label in diagnostic.labels[:1]:
        message = f"{label.span.source.name}: {message}" if label.span.source.is_option else message
        message += f": {label.text}" if label.text else ""
    return "\n".join([message, *diagnostic.notes])


def _data(text: str) -> str:
    """A message as the toolkit of GitHub's actions escapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
