"""`netdsl summary`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import fail
from netdsl.commands.shared_networks import compiled_network, short_lived
from netdsl.commands.shared_options import counted, pairs, setting_options
from netdsl.commands.shared_tables import format_option, print_document, print_json

if TYPE_CHECKING:
    from netdsl.summary.structure import Step

# Blocks that call each other can have millions of parts.
MOST_ROWS = 20_000


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
        print_document(found.document())


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
