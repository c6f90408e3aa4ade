"""Short documents of lines and tables, as text and as HTML: what commands print and notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.printing import printable


class Table(NamedTuple):
    """Rows of cells under their headings. A heading that starts with `>` is that of numbers, which are
    aligned to the right; leading spaces of a cell indent it.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def names(self) -> list[str]:
        """The headings without their marks."""
        return [heading.removeprefix(">") for heading in self.headings]

    def cells(self) -> list[list[str]]:
        """The headings and the rows, as printable text."""
        return [[printable(cell) for cell in row] for row in (self.names, *self.rows)]

    def lines(self) -> list[str]:
        """A line for each row, in aligned columns."""
        from rich.cells import cell_len  # late, as all of rich

        shown = self.cells()
        lengths = [[cell_len(cell) for cell in row] for row in shown]
        widths = [max(column) for column in zip(*lengths, strict=True)]
        lines = []
        for row, own in zip(shown, lengths, strict=True):
            blanks = [" " * (width - length) for width, length in zip(widths, own, strict=True)]
            padded = zip(self.headings, blanks, row, strict=True)
            lines.append("  ".join(b + c if name.startswith(">") else c + b for name, b, c in padded))
        return lines


Document: TypeAlias = Sequence[str | Table]

_CELL = "padding:.15em .6em;white-space:pre;text-align:"


class Documented:
    """A value that a console shows as lines and tables, and a notebook as HTML. Of data classes, those with
    `repr=False`.
    """

    __slots__ = ()

    def document(self) -> Document:
        raise NotImplementedError

    def __str__(self) -> str:
        return document_text(self.document())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return document_html(self.document())


def document_text(document: Document) -> str:
    """The document as lines."""
    lines: list[str] = []
    for part in document:
        lines += [part] if isinstance(part, str) else [line.rstrip() for line in part.lines()]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    from html import escape  # its table of entities is large, and commands print text

    return escape(printable(text))


def document_html(document: Document) -> str:
    """The document as HTML for any page, in whose colours it is shown."""
    return "".join(_paragraph(part) if isinstance(part, str) else _table(part) for part in document)


def _paragraph(text: str) -> str:
    return f'<p style="margin:.4em 0">{_escaped(text)}</p>' if text else ""


def _table(table: Table) -> str:
    head, *body = table.cells()
    sides = ["right" if heading.startswith(">") else "left" for heading in table.headings]

    def row(cells: list[str], tag: str) -> str:
        inside = zip(cells, sides, strict=True)
        return "".join(f'<{tag} style="{_CELL}{side}">{_escaped(cell)}</{tag}>' for cell, side in inside)

    rows = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in body)
    return f'<table style="border-collapse:collapse"><tr>{row(head, "th")}</tr>{rows}</table>'
