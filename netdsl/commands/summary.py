"""`netdsl summary`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, groupby
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_networks import compiled_network, short_lived
from netdsl.commands.shared_options import counted, pairs, setting_options
from netdsl.commands.shared_tables import echo, format_option, print_json, print_table

if TYPE_CHECKING:
    from netdsl.summary.structure import Step
    from netdsl.summary.tree import Figures, Part, Summary

COLUMNS = ("part", ">output", ">parameters", ">MACs", ">memory KiB", ">field")

# Blocks that call each other can have millions of parts.
MOST_ROWS = 20_000
# From this number on, parts in a row that differ only in their inputs are folded into one row, unless their
# own parts are shown.
_FEWEST = 3
# These have their own row even if they hold only one part; a stage of equal blocks does not.
_WITH_OWN_ROW = ("block", "skip", "each", "add", "concat", "mul")


@click.command()
@click.argument("file", shell_complete=complete_networks)
@click.option(
    "--depth",
    type=counted(),
    default=2,
    help="Levels: 1 for sections and stages, 2 for their steps, 3 for the steps of blocks, ...",
)
@setting_options
@format_option
def summary(file: str, depth: int, settings: tuple[str, ...], shape: str | None, form: str) -> None:
    """Show shapes, parameters and cost of a network's parts.

    Equal parts in a row are one row, such as `residual(16) × 5`, with the sums of their figures. `memory`
    is what torch keeps of one example for the backward pass; `field` is the receptive field: the side, in
    pixels, of the square of the input that one position depends on.
    """
    short_lived()
    compiled = compiled_network(file, pairs(settings, shape), {})

    from netdsl.summary.measure import measure
    from netdsl.summary.structure import structure
    from netdsl.summary.summary_json import record

    assert compiled.network is not None
    _check_depth(structure(compiled.network).parts, depth)
    found = measure(compiled.network, depth)
    if form == "json":
        print_json(record(found))
    else:
        _print(found)


def _check_depth(parts: Sequence[Step], depth: int) -> None:
    """Ends the program if the summary would have too many rows. Two levels have no more rows than the file
    has steps.
    """
    from netdsl.summary.structure import rows

    if depth > 2 and (wanted := rows(parts, depth)) > MOST_ROWS:
        deepest = next(level for level in count(2) if rows(parts, level + 1) > MOST_ROWS)
        fail(
            f"`--depth {depth}` of this network has {wanted:,} rows; a summary has at most {MOST_ROWS:,}",
            f"ask for fewer levels: `--depth {deepest}`",
        )


def _print(summary: Summary) -> None:
    from netdsl.ops.operation import show_shape

    shapes = f"{show_shape(summary.input)} -> {show_shape(summary.output)}"
    echo(f"{summary.title}: {shapes}, depth {summary.depth}")
    echo()
    rows = _rows(summary.parts, 0)
    for name, shape, in_training_only in summary.outputs if summary.outputs[0].name else ():
        title = f"output {name}{' (training)' if in_training_only else ''}"
        rows.append([title, show_shape(shape), "", "", "", ""])
    total = _row("total", show_shape(summary.output), summary.figures, summary.receptive_field)
    print_table(COLUMNS, [*rows, total])
    if summary.figures.frozen:
        echo()
        echo(f"{summary.figures.frozen:,} of the parameters are frozen")


def _rows(parts: Sequence[Part], level: int) -> list[list[str]]:
    from netdsl.ops.operation import show_shape

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
    from netdsl.summary.tree import Figures

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
