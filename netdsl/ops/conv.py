"""Convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from netdsl.arguments import Flag, Pair, Whole, Word, arg
from netdsl.expressions import Const, Expr, Operator, operator, quotient
from netdsl.ops.base import (
    Arguments,
    Misfit,
    Operation,
    Shape,
    Slot,
    Symbolic,
    TorchCall,
    Weight,
    needs_map,
    options,
    show_shape,
)
from netdsl.ops.window import keeps_grid, window_output
from netdsl.values import Size, Symbol


@dataclass(frozen=True, slots=True)
class Conv(Operation):
    """2-D convolution (`torch.nn.Conv2d`); `padding=same` makes the output ceil(size / stride)."""

    name: ClassVar[str] = "conv"

    out: int = arg(Whole())
    kernel: tuple[int, int] = arg(Pair())
    stride: int = arg(Whole(), 1)
    padding: tuple[int, int] | Literal["same"] = arg(Word(("same",), Pair(0)), "same")
    groups: int = arg(Whole(), 1)
    dilation: int = arg(Whole(), 1)
    bias: bool = arg(Flag(), True)

    def infer(self, x: Shape) -> Shape | Misfit:
        if misfit := needs_map(self.name, x):
            return misfit
        if self.padding == "same" and any(k % 2 == 0 for k in self.kernel):
            shown = show_shape(self.kernel)
            return Misfit(
                f"`padding=same` needs an odd kernel, and this one is {shown}",
                "give the padding, as `padding=1`",
            )
        if x[0] % self.groups or self.out % self.groups:
            return Misfit(
                f"{x[0]} input and {self.out} output channels can't be split into {self.groups} groups",
                "`groups` must divide both",
            )
        grid = window_output(self.name, x, self.window(), self.stride, self._padding())
        return grid if isinstance(grid, Misfit) else (self.out, *grid[1:])

    def macs(self, x: Shape, y: Shape) -> int:
        return y[0] * y[1] * y[2] * (x[0] // self.groups) * self.kernel[0] * self.kernel[1]

    def keeps_grid(self) -> bool:
        return keeps_grid(self.window(), self.stride, self._padding())

    def window(self) -> tuple[int, int]:
        height, width = ((k - 1) * self.dilation + 1 for k in self.kernel)
        return height, width

    def _padding(self) -> tuple[int, int]:
        if self.padding != "same":
            return self.padding
        height, width = (self.dilation * (k // 2) for k in self.kernel)
        return height, width

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return a["stride"]

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(a["out"], is_map=True)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        kernel = _sides(a["kernel"])
        return (
            Weight("weight", (a["out"], quotient(x.size, a["groups"]), *kernel), "kernel"),
            Weight("bias", (a["out"],), "bias", present=a["bias"]),
        )

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        named = _window_options(a) + options(bias=(a["bias"], True))
        return TorchCall("nn.Conv2d", (x.size, a["out"], a["kernel"]), named)

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.conv2d", (Slot("x"), Slot("weight"), Slot("bias")), _window_options(a))


def _window_options(a: Arguments) -> tuple[tuple[str, Expr], ...]:
    return options(
        stride=(a["stride"], 1),
        padding=(same_padding(a), 0),
        dilation=(a["dilation"], 1),
        groups=(a["groups"], 1),
    )


def same_padding(a: Arguments) -> Expr:
    """The padding that torch is given."""
    if a["padding"] != Const(Symbol("same")):
        return a["padding"]
    sides = _sides(a["kernel"])
    if sides[0] is sides[1]:
        return operator("*", a["dilation"], operator("//", sides[0], Const(2)))
    halves = (operator("*", a["dilation"], operator("//", side, Const(2))) for side in sides)
    return operator("pair", *halves)


def _sides(kernel: Expr) -> tuple[Expr, Expr]:
    if isinstance(kernel, Const) and isinstance(kernel.value, Size):
        height, width = kernel.value.lengths
        return Const(height), Const(width)
    if isinstance(kernel, Operator) and kernel.name == "pair":
        return kernel.operands[0], kernel.operands[1]
    return kernel, kernel
