"""Fully connected layers, `flatten` and `identity`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Flag, Whole, arg
from netdsl.language.expressions import ONE
from netdsl.ops.operation import (
    VECTOR,
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Slot,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
    kernel_and_bias,
    options,
    show_shape,
)


@dataclass(frozen=True, slots=True)
class Linear(Weighted):
    """Fully connected layer (`torch.nn.Linear`)."""

    name: ClassVar[str] = "linear"
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

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.Linear", (x.size, a["out"]), options(bias=(a["bias"], True)))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.linear", (Slot("x"), Slot("weight"), Slot("bias")))


@dataclass(frozen=True, slots=True)
class Flatten(Operation):
    """Map to vector: channels, rows and columns in one dimension (`torch.nn.Flatten`)."""

    name: ClassVar[str] = "flatten"

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

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.Flatten")

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("torch.flatten", (Slot("x"), ONE))


@dataclass(frozen=True, slots=True)
class Identity(Operation):
    """Returns its input (`torch.nn.Identity`)."""

    name: ClassVar[str] = "identity"

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.Identity")

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> None:
        return None
