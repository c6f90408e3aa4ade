"""The difference between two networks: structure, shapes, sizes, recipe, and which weights fit both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.base.document import Document, Documented, Table
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.resources import NETWORKS
from netdsl.compiler import Compiled
from netdsl.network import CompiledNetwork
from netdsl.ops.operation import show_shape
from netdsl.summary.changes import Change, compare
from netdsl.summary.measure import measure
from netdsl.summary.network_summary import Summary
from netdsl.summary.order_changes import explain
from netdsl.summary.settings import compare_settings
from netdsl.summary.structure import structure
from netdsl.summary.summary_json import part_totals, totals
from netdsl.summary.tree import Part

if TYPE_CHECKING:
    from netdsl.trained.matching_weights import MatchingWeights

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


@dataclass(frozen=True, slots=True, repr=False)
class Difference(Documented):
    """The difference between two networks, A and B; `print` shows it as `netdsl diff` does.

    `changes` are those of structure, outputs, initialisation and recipe; names of blocks, comments and layout
    are ignored. `parts` are pairs of sections and stages. `weights` say for each part which tensors of A fit
    B; None if a network is too large for the comparison.
    """

    one: Summary
    other: Summary
    changes: Sequence[Change]
    parts: Sequence[Pair]
    weights: Sequence[MatchingWeights] | None

    @property
    def same(self) -> bool:
        """True if nothing differs."""
        return not self.changes and all(fit.whole for fit in self.weights or ())

    def document(self) -> Document:
        one, other = self.one, self.other
        document: list[str | Table] = [
            f"A: {one.title}, {_file(one)}",
            f"B: {other.title}, {_file(other)}",
            "",
        ]
        document += map(change_line, self.changes) if self.changes else ["no difference in what they do"]
        if rows := [_row(pair.name, pair.before, pair.after) for pair in self.parts if pair.differs]:
            sizes = (
                f"depth {_arrow(one.depth, other.depth)}, "
                f"receptive field {_arrow(one.receptive_field, other.receptive_field)}, "
                f"memory {_arrow(_kib(one), _kib(other))} KiB"
            )
            document += ["", Table(FIGURES, [*rows, _row("total", one, other)]), "", sizes]
        return [*document, "", *_fits(self.weights)]

    def record(self) -> dict[str, object]:
        """The difference for JSON; the keys are documented in docs/tools.md and stable."""
        return {
            "a": totals(self.one),
            "b": totals(self.other),
            "changes": [asdict(change) for change in self.changes],
            "parts": [
                {
                    "name": pair.name,
                    "a": pair.before and part_totals(pair.before),
                    "b": pair.after and part_totals(pair.after),
                }
                for pair in self.parts
            ],
            "weights": None if self.weights is None else [asdict(fit) for fit in self.weights],
        }


def difference(before: Compiled, after: Compiled, weights: Path | None = None) -> Difference:
    """The difference of two networks without errors; `weights` is a file with those of the first, or a run of
    it. Raises RunError if it can't be read.
    """
    networks = CompiledNetwork(before), CompiledNetwork(after)
    typed = [network.typed for network in networks]
    one, other = (measure(network, 1) for network in typed)
    changes, places = compare(*map(structure, typed))
    changes = explain(before, after, after.settings, changes)
    changes += compare_settings(*(network.network for network in typed))
    parts = [
        Pair(None if i is None else one.parts[i], None if j is None else other.parts[j]) for i, j in places
    ]
    small = all(
        network.cost.operations <= MOST_OPERATIONS and len(network.network.blocks) <= MOST_BLOCKS
        for network in typed
    )
    return Difference(one, other, changes, parts, _matching(*networks, weights) if small else None)


def _matching(one: CompiledNetwork, other: CompiledNetwork, weights: Path | None) -> list[MatchingWeights]:
    from netdsl.trained.matching_weights import matching_weights, shapes_in, shapes_of

    if weights is None:
        return matching_weights(shapes_of(one, "module"), shapes_of(other, "module"))
    shapes, style = shapes_in(weights)
    return matching_weights(shapes, shapes_of(other, style))


def _file(summary: Summary) -> Path:
    """The file of a network, relative to the current folder if inside; `networks/…` if it is shipped."""
    path = Path(summary.file)
    bases = (base for base in (Path.cwd(), NETWORKS.parent) if path.is_relative_to(base))
    return next((path.relative_to(base) for base in bases), path)


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


def _fits(fits: Sequence[MatchingWeights] | None) -> Document:
    if fits is None:
        limits = f"{MOST_OPERATIONS:,} operations or {MOST_BLOCKS} kinds of blocks"
        return [f"weights aren't compared: a network has more than {limits}"]
    counts = [[len(names) for names in (f.fitting, f.reshaped, f.lost, f.new)] for f in fits]
    fitting, reshaped, lost, new = (sum(row[column] for row in counts) for column in range(4))
    known = fitting + reshaped + lost
    if all(f.whole for f in fits):
        return [f"all {known:,} tensors of A fit B, by name and shape"]
    more = f"; B has {new:,} more" if new else ""
    rows = [[f.part, *(f"{n:,}" for n in row)] for f, row in zip(fits, counts, strict=True)]
    return [f"{fitting:,} of {known:,} tensors of A fit B, by name and shape{more}", "", Table(WEIGHTS, rows)]
