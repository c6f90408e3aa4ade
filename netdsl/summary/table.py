"""A summary as a table of texts, as `netdsl summary` and the playground show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from netdsl.ops.operation import show_shape
from netdsl.summary.tree import Figures, Part, Summary

# The headings of the columns; `>` aligns a column to the right.
COLUMNS = ("part", ">output", ">parameters", ">MACs", ">memory KiB", ">field")

# From this number on, parts in a row that differ only in their inputs are folded into one row, unless their
# own parts are shown.
_FEWEST = 3
# These have their own row even if they hold only one part; a stage of equal blocks does not.
_WITH_OWN_ROW = ("block", "skip", "add", "concat", "mul")


def heading(summary: Summary) -> str:
    """The network with its shapes and depth, in one line."""
    shapes = f"{show_shape(summary.input)} -> {show_shape(summary.output)}"
    return f"{summary.title}: {shapes}, depth {summary.depth}"


def table(summary: Summary) -> list[list[str]]:
    """A row for each part, indented by its level, then the named outputs and the total."""
    rows = _rows(summary.parts, 0)
    for name, shape, in_training_only in summary.outputs if summary.outputs[0].name else ():
        title = f"output {name}{' (training)' if in_training_only else ''}"
        rows.append([title, show_shape(shape), "", "", "", ""])
    total = _row("total", show_shape(summary.output), summary.figures, summary.receptive_field)
    return [*rows, total]


def _rows(parts: Sequence[Part], level: int) -> list[list[str]]:
    rows = []
    for part in parts:
        name, inside = _titled(part), _folded(part.parts)
        if part.kind not in _WITH_OWN_ROW and len(inside) == 1:
            name, inside = f"{name}: {_titled(inside[0])}", _folded(inside[0].parts)
        row = _row(name, show_shape(part.output), part.figures, part.receptive_field)
        rows.append(["  " * level + row[0], *row[1:]])
        rows += _rows(inside, level + 1)
    return rows


def _folded(parts: Sequence[Part]) -> list[Part]:
    """The parts, with consecutive parts of the same title folded into one."""
    folded: list[Part] = []
    for _, group in groupby(parts, key=lambda part: part.title):
        alike = list(group)
        if len(alike) >= _FEWEST and not any(part.parts for part in alike):
            copies = sum(part.copies for part in alike)
            figures = sum((part.figures for part in alike), Figures())
            alike = [replace(alike[-1], copies=copies, figures=figures)]
        folded += alike
    return folded


def _titled(part: Part) -> str:
    return part.title if part.copies == 1 else f"{part.title} × {part.copies}"


def _row(name: str, output: str, figures: Figures, field: int) -> list[str]:
    memory = f"{figures.activations / 1024:,.1f}"
    return [name, output, f"{figures.parameters:,}", f"{figures.macs:,}", memory, f"{field:,}"]
