"""A summary as data: the tree of a network's parts, and their figures."""

from __future__ import annotations

from dataclasses import dataclass

from netdsl.base.source import Span
from netdsl.ops.operation import Shape
from netdsl.shapes.tensor_state import TensorState


@dataclass(frozen=True, slots=True)
class Figures:
    """`frozen` of the `parameters` are not trained. `activations` are the bytes that torch keeps for the
    backward pass of one example in float32, without the weights (`SavedForBackward`).
    """

    parameters: int = 0
    frozen: int = 0
    macs: int = 0
    activations: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.parameters + other.parameters,
            self.frozen + other.frozen,
            self.macs + other.macs,
            self.activations + other.activations,
        )

    def __mul__(self, count: int) -> Figures:
        return Figures(
            self.parameters * count, self.frozen * count, self.macs * count, self.activations * count
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A section, stage, block or step; equal ones in a row are one part.

    `kind` is that of a section, or `stage`, `block`, `operation`, `skip`, `shortcut`, `branch`, `each`, or a
    join.
    `copies` is their number, and the figures are the sums over them. `title` is the text in a `.net` file,
    without defaults; `arguments` are all. `state` is that of the tensor after the last copy.
    """

    kind: str
    name: str
    title: str
    arguments: tuple[tuple[str, str], ...]
    copies: int
    input: Shape
    output: Shape
    figures: Figures
    state: TensorState
    span: Span
    parts: tuple[Part, ...] = ()

    @property
    def receptive_field(self) -> int:
        return self.state.receptive_field
