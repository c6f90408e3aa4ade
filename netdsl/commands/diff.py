"""`netdsl diff`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from netdsl.commands.shared_completion import complete_networks
from netdsl.commands.shared_errors import errors_shown
from netdsl.commands.shared_networks import compiled_network
from netdsl.commands.shared_options import PATH, pairs
from netdsl.commands.shared_tables import echo, format_option, print_json, print_table

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.summary.changes import Change
    from netdsl.summary.tree import Part, Summary
    from netdsl.trained.matching_weights import MatchingWeights

# Exit statuses, as those of `diff`.
DIFFERENT, TROUBLE = 1, 2
# Comparing weights builds the modules, which takes too long for larger networks.
MOST_OPERATIONS, MOST_BLOCKS = 10_000, 300

FIGURES = ("part", ">output", ">parameters", ">MACs")
WEIGHTS = ("weights", ">fit", ">other shape", ">lost", ">new")


class Pair(NamedTuple):
    """A section or stage of the first network and its counterpart in the second; None if there is none."""

    before: Part | None
    after: Part | None

    @property
    def name(self) -> str:
        part = self.before or self.after
        assert part is not None
        return part.name

    @property
    def differs(self) -> bool:
        """True if shape or figures differ."""
        if self.before is None or self.after is None:
            return True
        return (self.before.output, self.before.figures) != (self.after.output, self.after.figures)


@click.command(name="diff")
@click.argument("before", metavar="A", shell_complete=complete_networks)
@click.argument("after", metavar="B", shell_complete=complete_networks)
@click.option("--set-a", multiple=True, metavar="NAME=VALUE", help="Set a parameter of A.")
@click.option("--set-b", multiple=True, metavar="NAME=VALUE", help="Set a parameter of B.")
@click.option(
    "--weights",
    type=PATH,
    metavar="FILE|RUN",
    help="Weights of A: a .safetensors, .pth or .pt file, or a run.  [default: all of A]",
)
@format_option
def diff(
    before: str, after: str, set_a: tuple[str, ...], set_b: tuple[str, ...], weights: Path | None, form: str
) -> None:
    """Compare two networks, and list which weights fit both.

    Shows differences of structure, shapes, sizes and recipe between A and B; names of blocks, comments
    and layout are ignored. The exit status is 0 if nothing differs, 1 if something does, 2 on errors.
    """
    with _troubles():
        settings = [pairs(given, None) for given in (set_a, set_b)]
        compiled = [
            compiled_network(name, given, {}) for name, given in zip((before, after), settings, strict=True)
        ]

    from netdsl.summary.changes import compare
    from netdsl.summary.measure import measure
    from netdsl.summary.order_changes import explain
    from netdsl.summary.settings import compare_settings
    from netdsl.summary.structure import structure

    networks = [found.network for found in compiled if found.network is not None]
    one, other = (measure(network, 1) for network in networks)
    changes, places = compare(*map(structure, networks))
    changes = explain(compiled[0], compiled[1], settings[1], changes)
    changes += compare_settings(*(network.network for network in networks))
    sides = [
        Pair(None if i is None else one.parts[i], None if j is None else other.parts[j]) for i, j in places
    ]
    small = all(
        network.cost.operations <= MOST_OPERATIONS and len(network.network.blocks) <= MOST_BLOCKS
        for network in networks
    )
    fits = _fits(compiled, weights) if small else None
    if form == "json":
        print_json(_record(one, other, changes, sides, fits))
    else:
        _print(one, other, changes, sides, fits)
    sys.exit(DIFFERENT if changes or not all(f.whole for f in fits or ()) else 0)


@contextmanager
def _troubles() -> Iterator[None]:
    """Errors within the block end the program with status 2, since 1 means that the networks differ."""
    try:
        yield
    except SystemExit as end:
        sys.exit(TROUBLE if end.code else 0)


def _fits(compiled: Sequence[Compiled], weights: Path | None) -> list[MatchingWeights]:
    from netdsl.api import Network
    from netdsl.trained.matching_weights import matching_weights, shapes_in, shapes_of

    one, other = map(Network, compiled)
    with _troubles(), errors_shown():
        if weights is None:
            return matching_weights(shapes_of(one, "module"), shapes_of(other, "module"))
        shapes, style = shapes_in(weights)
        return matching_weights(shapes, shapes_of(other, style))


# text


def _print(
    one: Summary,
    other: Summary,
    changes: Sequence[Change],
    sides: Sequence[Pair],
    fits: Sequence[MatchingWeights] | None,
) -> None:
    echo(f"A: {one.title}, {_file(one)}")
    echo(f"B: {other.title}, {_file(other)}")
    echo()
    for change in changes:
        echo(change_line(change))
    if not changes:
        echo("no difference in what they do")
    if rows := [_row(pair.name, pair.before, pair.after) for pair in sides if pair.differs]:
        echo()
        print_table(FIGURES, [*rows, _row("total", one, other)])
        echo()
        echo(
            f"depth {_arrow(one.depth, other.depth)}, "
            f"receptive field {_arrow(one.receptive_field, other.receptive_field)}, "
            f"memory {_arrow(_kib(one), _kib(other))} KiB"
        )
    echo()
    if fits is None:
        limits = f"{MOST_OPERATIONS:,} operations or {MOST_BLOCKS} kinds of blocks"
        echo(f"weights aren't compared: a network has more than {limits}")
    else:
        _print_fits(fits)


def _file(summary: Summary) -> Path:
    """The file of a network, relative to the current folder if it is inside."""
    path = Path(summary.file)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def change_line(change: Change) -> str:
    """`~ stage 2: repeat 5 → 7`, `+ head: dropout(0.5)`, `- stage 3 > residual: relu`."""
    places = _places(change.places)
    what = f"{change.what} " if change.what else ""
    if change.before is None:
        return f"+ {places}: {what}{change.after}"
    if change.after is None:
        return f"- {places}: {what}{change.before}"
    return f"~ {places}: {what}{change.before} → {change.after}"


def _places(places: Sequence[str]) -> str:
    """`stage 1, stage 2 > residual` for `stage 1 > residual` and `stage 2 > residual`."""
    parts: dict[str, list[str]] = {}
    for place in places:
        part, arrow, inside = place.partition(" > ")
        parts.setdefault(arrow + inside, []).append(part)
    return "; ".join(", ".join(names) + inside for inside, names in parts.items())


def _row(name: str, one: Part | Summary | None, other: Part | Summary | None) -> list[str]:
    from netdsl.ops.operation import show_shape

    sides = [
        (
            ("–", "–", "–")
            if side is None
            else (show_shape(side.output), f"{side.figures.parameters:,}", f"{side.figures.macs:,}")
        )
        for side in (one, other)
    ]
    return [name, *map(_arrow, *sides)]


def _kib(summary: Summary) -> str:
    return f"{summary.figures.activations / 1024:,.1f}"


def _arrow(before: object, after: object) -> str:
    return f"{before}" if before == after else f"{before} → {after}"


def _print_fits(fits: Sequence[MatchingWeights]) -> None:
    counts = [[len(names) for names in (f.fitting, f.reshaped, f.lost, f.new)] for f in fits]
    fitting, reshaped, lost, new = (sum(row[column] for row in counts) for column in range(4))
    known = fitting + reshaped + lost
    if all(f.whole for f in fits):
        echo(f"all {known:,} tensors of A fit B, by name and shape")
        return
    more = f"; B has {new:,} more" if new else ""
    echo(f"{fitting:,} of {known:,} tensors of A fit B, by name and shape{more}")
    echo()
    print_table(WEIGHTS, [[f.part, *(f"{n:,}" for n in row)] for f, row in zip(fits, counts, strict=True)])


# JSON


def _record(
    one: Summary,
    other: Summary,
    changes: Sequence[Change],
    sides: Sequence[Pair],
    fits: Sequence[MatchingWeights] | None,
) -> dict[str, object]:
    from dataclasses import asdict

    from netdsl.summary.summary_json import part_totals, totals

    return {
        "a": totals(one),
        "b": totals(other),
        "changes": [asdict(change) for change in changes],
        "parts": [
            {
                "name": pair.name,
                "a": pair.before and part_totals(pair.before),
                "b": pair.after and part_totals(pair.after),
            }
            for pair in sides
        ],
        "weights": None if fits is None else [asdict(f) for f in fits],
    }
