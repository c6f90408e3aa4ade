"""Lines, tables and JSON for people and programs."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from netdsl.base.document import Document, Table
from netdsl.base.printing import encodable, printable

# Width of a table that is piped to a program: nothing is folded.
_UNBOUNDED = 10_000
# Names are not folded to fewer columns than this.
_NARROWEST = 16

format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Format of the output."
)


def echo(text: object = "", err: bool = False, **style: Any) -> None:
    """Prints a line, in a style of `click.style`."""
    line = printable(text)
    echo_painted(click.style(line, **style) if style else line, err)


def echo_painted(text: str, err: bool = False) -> None:
    """Prints lines that may have colours already, and names that are `printable` already."""
    click.echo(encodable(text, sys.stderr if err else sys.stdout), err=err)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says what the block does for some seconds, on a terminal; the line is removed afterwards."""
    shown = sys.stderr.isatty() and "JPY_PARENT_PID" not in os.environ
    if shown:
        click.echo(f"{what} …", nl=False, err=True)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def echo_file(text: str) -> None:
    """Prints the content of a file: in UTF-8, whatever the encoding of the terminal."""
    click.echo(text.encode(), nl=False)


def print_document(document: Document) -> None:
    """Prints lines and tables."""
    for part in document:
        if isinstance(part, str):
            echo(part)
        else:
            print_table(*part)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints an aligned table (`base.document.Table`). If the output is piped, each row is one line."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    if not sys.stdout.isatty():
        for line in Table(headings, rows).lines():
            echo_painted(line)
        return
    shown = [[encodable(cell) for cell in row] for row in Table(headings, rows).cells()]
    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        # A narrow terminal folds names, never numbers: half a number would be misread.
        number = heading.startswith(">")
        longest = max(len(row[index]) for row in shown)
        table.add_column(
            Text(shown[0][index]),
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number,
            header_style="bold",
            min_width=longest if number else min(longest, _NARROWEST),
        )
    for row in shown[1:]:
        cells = [(Text(cell.lstrip(" ")), len(cell) - len(cell.lstrip(" "))) for cell in row]
        # `Text`, so that rich finds no markup in names.
        table.add_row(*(Padding.indent(text, blanks) if blanks else text for text, blanks in cells))
    console = Console(highlight=False)
    least = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), table).minimum
    console.width = max(console.width, least)  # a line that is too long is better than half a number
    console.print(table)


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints comma-separated values, in UTF-8."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([headings, *rows])
    echo_file(text.getvalue())


def print_json(value: object) -> None:
    echo_painted(json.dumps(value, indent=2))


def answer_record(name: str, probability: float) -> dict[str, object]:
    """A predicted class, for JSON."""
    return {"class": name, "probability": probability}


def percent(share: float | None) -> str:
    """A share from 0 to 1 as a percentage, or a dash if there is none."""
    return "–" if share is None else f"{share:.2%}"
