"""Fully connected layers, `flatten` and `identity`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Flag, Whole, arg
from netdsl.ops.operation import (
    VECTOR,
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    Weight,
    Weighted,
    kernel_and_bias,
    show_shape,
)


@dataclass(frozen=True, slots=True)
class Linear(Weighted):
    """Fully connected layer (`torch.nn.Linear`)."""

    name: ClassVar[str] = "linear"
    module_call: ClassVar[str] = "nn.Linear(in, out, bias=True)"
    function_call: ClassVar[str] = "F.linear(x, weight, bias)"
    attribute: ClassVar[str] = "fc"

    out: int = arg(Whole(), usual="10")
    bias: bool = arg(Flag(), True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        if len(x) == 1:
            return (self.out,)
        help, before = "put `flatten` before it", "flatten"
        if x[1:] != (1, 1):
            help = f"put `global_avgpool, flatten` before it, or `flatten` for all {math.prod(x):,} numbers"
            before = "global_avgpool, flatten"
        message = f"`linear` needs a vector, but its input is a feature map of {show_shape(x)}"
        return ShapeMismatch(message, help, own=f"{before}, …")

    def whatever(self) -> Shape:
        return (self.out,)

    def macs(self, x: Shape, y: Shape) -> int:
        return x[0] * y[0]

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(a["out"], is_map=False)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return kernel_and_bias(a, a["out"], x.size)


@dataclass(frozen=True, slots=True)
class Flatten(Operation):
    """Map to vector: channels, rows and columns in one dimension (`torch.nn.Flatten`)."""

    name: ClassVar[str] = "flatten"
    module_call: ClassVar[str] = "nn.Flatten()"
    function_call: ClassVar[str] = "torch.flatten(x, 1)"

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return (math.prod(x),)

    def whatever(self) -> Shape:
        return VECTOR

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)

    def keeps_grid(self) -> bool:
        return False

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic | None:
        return None if x.is_map else x


@dataclass(frozen=True, slots=True)
class Identity(Operation):
    """Returns its input (`torch.nn.Identity`)."""

    name: ClassVar[str] = "identity"
    module_call: ClassVar[str] = "nn.Identity()"
    function_call: ClassVar[str] = ""

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)
