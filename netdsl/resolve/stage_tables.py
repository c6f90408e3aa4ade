"""Tables of stages, whose rows are calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, add, listing, write
from netdsl.language.expressions import FUNCTIONS
from netdsl.ops import OPERATIONS
from netdsl.syntax import nodes

if TYPE_CHECKING:
    from netdsl.syntax.errors.token_patterns import Mistake


class StageRow(NamedTuple):
    """A row as a call: the fixed arguments, then the cells as named arguments."""

    arguments: tuple[nodes.Argument, ...]
    span: Span


def has_columns(table: nodes.Stages, block: nodes.Block | None, diagnostics: Diagnostics) -> bool:
    """False after a diagnostic about columns of parameters that the block needs and the table lacks."""
    if any(argument.name is None for argument in table.fixed):
        return True
    given = {*table.header, *(argument.name for argument in table.fixed if argument.name)}
    names = {word.text for word in given}
    parameters = block.parameters if block else ()
    known = {"repeat", "label", *(parameter.name.text for parameter in parameters)}
    missing = [p.name.text for p in parameters if p.default is None and p.name.text not in names]
    if not missing or not names <= known:
        return True
    what = f"column{'s' * (len(missing) > 1)} {listing(missing)}"
    place = table.header[0].span.to(table.header[-1].span)
    help = f"add the {what}, with a cell in each row"
    diagnostics.error("NET105", f"the table needs the {what}", place, help=help)
    return False


def rows_of(
    table: nodes.Stages, diagnostics: Diagnostics
) -> Iterator[StageRow | nodes.Section | nodes.Unread]:
    """The rows of a table and the sections between them; a malformed row is left out after a diagnostic."""
    if not _sound_header(table, diagnostics):
        return
    if not table.rows:
        header = table.header[0].span.to(table.header[-1].span)
        help = f"add a line below it for each stage: a cell for {listing(word.text for word in table.header)}"
        diagnostics.error("NET105", "the table has no rows", header, help=help)
    cells_of = [row.cells for row in table.rows if isinstance(row, nodes.Row)]
    columns = [tuple(cells[n].span for cells in cells_of if n < len(cells)) for n in range(len(table.header))]
    for row in table.rows:
        if isinstance(row, nodes.Row) and len(row.cells) > len(table.header):
            row = _joined(row, diagnostics)
        if isinstance(row, (nodes.Section, nodes.Unread)):
            yield row
        elif steps := _steps(row, table):
            from netdsl.syntax.errors.wrong_lines import NEEDS_LAYERS

            diagnostics.error("NET105", NEEDS_LAYERS, row.span, help=write(row.span, f"layers {{ {steps} }}"))
        elif len(row.cells) > len(table.header) and (known := _known_mistake(row)):
            diagnostics.error("NET105", known.message, row.span, help=known.help)
        elif len(row.cells) != len(table.header):
            count = _counted(len(table.header), "column")
            also = [Label(table.header[0].span.to(table.header[-1].span), count)]
            message = f"the row has {_counted(len(row.cells), 'cell')}, but the table has {count}"
            missing = [word.text for word in table.header[len(row.cells) :]]
            diagnostics.error("NET105", message, row.span, also=also, help=_cells(row, missing))
        else:
            cells = map(nodes.Argument, table.header, row.cells, columns)
            yield StageRow((*table.fixed, *cells), row.span)


def _known_mistake(row: nodes.Row) -> Mistake | None:
    # Imported where a row is wrong, as all that reads the tables of known mistakes.
    from netdsl.syntax.errors.wrong_lines import mistake_in_row

    return mistake_in_row(row.span)


def _cells(row: nodes.Row, missing: Sequence[str]) -> Help:
    """The help for a row with too many cells, or with some missing."""
    if not missing:
        return "remove a cell, name its column, or put brackets around an expression"
    title = f"add a cell for {listing(missing)}"
    if not set(missing) <= {"stride", "repeat"}:
        return title
    return Fix(title, add(row.span, "  1" * len(missing)).edits, safe=False)  # their default


def _joined(row: nodes.Row, diagnostics: Diagnostics) -> nodes.Row:
    """The row with `ceil (d)` as one call, after a diagnostic."""
    cells: list[nodes.Expr] = []
    for cell in row.cells:
        last = cells[-1] if cells else None
        if isinstance(last, nodes.Name) and last.name in FUNCTIONS:
            text = cell.span.source.text
            argument = nodes.Argument(None, cell)
            end = text.find(")", cell.span.end) + 1 if text[cell.span.start] != "(" else cell.span.end
            span = Span(cell.span.source, last.span.start, end)
            fix = write(span, f"{last.name}{text[last.span.end:end].strip()}")
            from netdsl.syntax.errors.wrong_lines import NO_SPACE

            diagnostics.error("NET105", NO_SPACE, span, help=fix)
            cells[-1] = nodes.Apply(nodes.Word(last.name, last.span), (argument,), span)
        else:
            cells.append(cell)
    return row._replace(cells=tuple(cells))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _steps(row: nodes.Row, table: nodes.Stages) -> str:
    """The row as steps, if its cells are operations or a block; else empty."""
    names = [cell.function.text if isinstance(cell, nodes.Apply) else "" for cell in row.cells]
    words = [cell.name if isinstance(cell, nodes.Name) else "" for cell in row.cells]
    alone = len(row.cells) == 1 < len(table.header)
    block = alone and re.search(rf"\bblock\s+{words[0] or names[0]}\b", row.span.source.text)
    called = any(name in OPERATIONS for name in names)
    operations = len(row.cells) != len(table.header) and all(word in OPERATIONS for word in words)
    return ", ".join(cell.span.text for cell in row.cells) if block or called or operations else ""


def _sound_header(table: nodes.Stages, diagnostics: Diagnostics) -> bool:
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
                "a table takes its fixed arguments by name",
                argument.value.span,
                help="write its name, as in `groups=32`",
            )
            sound = False
    return sound
