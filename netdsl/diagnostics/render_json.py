"""Diagnostics for programs: JSON records, and workflow commands of GitHub Actions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from netdsl.diagnostics import Diagnostic, Label


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
        "severity": diagnostic.severity,
        **asdict(_place(diagnostic.labels[:1])),
        "message": full_message(diagnostic),
        "help": diagnostic.help,
        "related": [{**asdict(_place((label,))), "message": label.text} for label in diagnostic.labels[1:]],
    }


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
    if diagnostic.help:
        lines.append(f"help: {diagnostic.help}")
    return f"::{diagnostic.severity} {','.join(given)}::{_data(chr(10).join(lines))}"


def _place(labels: tuple[Label, ...]) -> Place:
    """The place of the first label, if it is in a file."""
    if not labels or _is_option(labels[0]):
        return Place()
    span = labels[0].span
    return Place(span.source.name, *span.source.position(span.start), *span.source.position(span.end))


def full_message(diagnostic: Diagnostic) -> str:
    """The message with the text of its first label; each note is on its own line."""
    message = diagnostic.message
    for label in diagnostic.labels[:1]:
        message = f"{label.span.source.name}: {message}" if _is_option(label) else message
        message += f": {label.text}" if label.text else ""
    return "\n".join([message, *diagnostic.notes])


def _is_option(label: Label) -> bool:
    """Whether the text is part of the command line (`--set width`), not of a file."""
    return label.span.source.name.startswith("--")


def _data(text: str) -> str:
    """A message as the toolkit of GitHub's actions escapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
