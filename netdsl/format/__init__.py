"""The formatter of `.net` files, used by `netdsl fmt` and the language server.

    text --token_groups--> tokens in groups of brackets --layout--> lines --> text

Line breaks between steps are the author's, as in gofmt: `conv, bn, relu` on one line says that they belong
together. All else (indentation, blanks, tables, blank lines) has one form.
Nothing here may change what a file means: the text is read again, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.base.source import Source, Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Diagnostics
from netdsl.format.layout import lines
from netdsl.format.layout_lines import joined
from netdsl.format.token_groups import comments, grouped
from netdsl.syntax.nodes import Program
from netdsl.syntax.parser import parse


class LayoutError(Exception):
    """The layout would have changed what the file says: a mistake of netdsl's, not of the file."""


def formatted(source: Source, diagnostics: Diagnostics) -> str | None:
    """The text in the one layout; None after diagnostics where its syntax is wrong.

    Raises LayoutError where the result would not mean the same, or not hold the same comments.
    """
    found = Diagnostics()
    program = parse(source, found)
    if found.errors:
        for diagnostic in found:
            diagnostics.add(diagnostic)
        return None
    laid = Source(source.name, joined(lines(grouped(source, program))))
    again = parse(laid, found)
    if limits := [error for error in found if error.code == "NET100"]:
        # Indentation and tables make a text longer.
        diagnostics.error("NET100", f"formatted, {limits[0].message}", help=limits[0].help_text)
        return None
    _check(source, program, laid, again, found)
    return laid.text


def _check(source: Source, program: Program, laid: Source, again: Program, found: Diagnostics) -> None:
    """Holds the result against the original, as black does: the tree without places, and the comments."""
    if found.errors or list(_meaning(again)) != list(_meaning(program)):
        raise LayoutError(f"{source.name}: the layout would change what the file means")
    if comments(laid) != comments(source):
        raise LayoutError(f"{source.name}: the layout would change a comment")


def _meaning(program: Program) -> Iterator[object]:
    """The tree in prefix order, without spans."""
    for node in nested(program, object):
        if not isinstance(node, Span):
            yield (type(node), len(node)) if isinstance(node, tuple) else (type(node), node)
