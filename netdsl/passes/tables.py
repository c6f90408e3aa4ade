"""Tables of stages: rows become calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netdsl import syntax
from netdsl.diagnostics import Diagnostics, Label, listing
from netdsl.source import Span


class StageRow(NamedTuple):
    """A row as the call that it stands for: fixed arguments, then the cells by name."""

    arguments: tuple[syntax.Argument, ...]
    span: Span


def rows_of(table: syntax.Stages, diagnostics: Diagnostics) -> Iterator[StageRow | syntax.Section]:
    """The rows of a table in order, transitions between them; a malformed row is left out."""
    if not _sound_header(table, diagnostics):
        return
    if not table.rows:
        header = table.header[0].span.to(table.header[-1].span)
        help = f"add a line below it for each stage: a cell for {listing(word.text for word in table.header)}"
        diagnostics.error("NET105", "the table has no rows", header, help=help)
    for row in table.rows:
        if isinstance(row, syntax.Section):
            yield row
        elif len(row.cells) != len(table.header):
            also = [Label(table.header[0].span.to(table.header[-1].span), f"{len(table.header)} columns")]
            message = f"the row has {len(row.cells)} cells, and the table {len(table.header)} columns"
            missing = listing(word.text for word in table.header[len(row.cells) :])
            help = "remove a cell, name its column, or put brackets around an expression"
            help = f"add a cell for {missing}" if missing else help
            diagnostics.error("NET105", message, row.span, also=also, help=help)
        else:
            cells = (syntax.Argument(name, cell) for name, cell in zip(table.header, row.cells, strict=True))
            yield StageRow((*table.fixed, *cells), row.span)


def _sound_header(table: syntax.Stages, diagnostics: Diagnostics) -> bool:
    seen = {argument.name.text: argument.name.span for argument in table.fixed if argument.name}
    sound = True
    for word in table.header:
        if word.text in seen:
            also = [Label(seen[word.text], "first here")]
            diagnostics.error(
                "NET105",
                f"`{word.text}` is given twice",
                word.span,
                also=also,
                help="keep the column or the fixed argument",
            )
            sound = False
        seen[word.text] = word.span
    for argument in table.fixed:
        if argument.name is None:
            diagnostics.error(
                "NET105",
                "fixed arguments of a table are given by name",
                argument.value.span,
                help="as in `stages block(groups=32) { … }`",
            )
            sound = False
    return sound
