"""The summary of a network: its parts and totals, which read as lines and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from netdsl.base.document import Document, Documented, Table
from netdsl.ir.typed import TypedOutput
from netdsl.ops.operation import Shape, show_shape
from netdsl.summary.tree import Figures, Part

COLUMNS = ("part", ">output", ">parameters", ">MACs", ">memory KiB", ">field")
# From this number on, parts in a row that differ only in their inputs are folded into one row, unless their
# own parts are shown.
_FEWEST = 3
# These have their own row even if they hold only one part; a stage of equal blocks does not.
_WITH_OWN_ROW = ("block", "skip", "each", "add", "concat", "mul")


@dataclass(frozen=True, slots=True, repr=False)
class Summary(Documented):
    """A network's parts and totals; `parameters` are those of the `network` line, with their values. The MACs
    in `figures` are those of evaluation.
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    file: str
    input: Shape
    outputs: tuple[TypedOutput, ...]
    figures: Figures
    depth: int
    receptive_field: int
    parts: tuple[Part, ...]

    @property
    def output(self) -> Shape:
        """The shape of the first output."""
        return self.outputs[0].shape

    @property
    def title(self) -> str:
        """The network with its settings: `preresnet(depth=20)`."""
        settings = ", ".join(f"{name}={value}" for name, value in self.parameters)
        return f"{self.name}({settings})" if settings else self.name

    def document(self) -> Document:
        """The title, a row for each part, and the total."""
        shapes = f"{show_shape(self.input)} -> {show_shape(self.output)}"
        frozen = ["", f"{self.figures.frozen:,} of the parameters are frozen"]
        return [
            f"{self.title}: {shapes}, depth {self.depth}",
            "",
            self.table(),
            *(frozen if self.figures.frozen else ()),
        ]

    def table(self) -> Table:
        """A row for each part, indented by its level, one for each named output, and the total."""
        rows = _rows(self.parts, 0)
        for name, shape, in_training_only in self.outputs if self.outputs[0].name else ():
            title = f"output {name}{' (training)' if in_training_only else ''}"
            rows.append([title, show_shape(shape), "", "", "", ""])
        total = _row("total", show_shape(self.output), self.figures, self.receptive_field)
        return Table(COLUMNS, [*rows, total])


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
