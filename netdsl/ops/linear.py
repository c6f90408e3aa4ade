"""Fully connected layers, `flatten` and `identity`."""

from __future__ import annotations

import math
from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Flag, Whole, arg
from netdsl.ops.operation import (
    VECTOR,
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
    kernel_and_bias,
    torch_call,
)


@lazy_dataclass
class Linear(Weighted):
    """Fully connected layer (`torch.nn.Linear`).

    On a map it acts on the channels at each position: CxHxW to out x H x W.
    """

    name: ClassVar[str] = "linear"
    attribute: ClassVar[str] = "fc"

    out: int = arg(Whole(), usual="10")
    bias: bool = arg(Flag(), True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        return (self.out, *x[1:])

    def macs(self, x: Shape, y: Shape) -> int:
        return x[0] * math.prod(y)

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return x._replace(size=a["out"])

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return kernel_and_bias(a, a["out"], x.size)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        name = "Linear2d" if x.is_map else "nn.Linear"
        return torch_call(f"{name}(in, out, bias=True)", cls.torch_names(a, x))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return torch_call(f"{'linear_2d' if x.is_map else 'F.linear'}(x, weight, bias)", {})


@lazy_dataclass
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


@lazy_dataclass
class Identity(Operation):
    """Returns its input (`torch.nn.Identity`)."""

    name: ClassVar[str] = "identity"
    module_call: ClassVar[str] = "nn.Identity()"
    function_call: ClassVar[str] = ""

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)
