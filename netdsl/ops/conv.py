"""Convolutions."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal, TypeAlias

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.values import Symbol
from netdsl.language.argument_types import Flag, Pair, Whole, Word, arg
from netdsl.language.expressions import ONE, Const, Expr, operator, quotient
from netdsl.ops.operation import (
    Arguments,
    Shape,
    ShapeMismatch,
    Symbolic,
    Weight,
    Weighted,
    kernel_and_bias,
    needs_map,
    show_shape,
    unsplit,
)
from netdsl.ops.window import Window, sides

_Padding: TypeAlias = tuple[int, int] | Literal["same"]


@lazy_dataclass
class _Sliding(Weighted):
    """A window that slides over the map."""

    module_call: ClassVar[str] = (
        "nn.Conv2d(in, out, kernel, stride=1, padding=0, dilation=1, groups=1, bias=True)"
    )
    function_call: ClassVar[str] = "F.conv2d(x, weight, bias, stride=1, padding=0, dilation=1, groups=1)"

    @abstractmethod
    def window(self) -> Window: ...

    def field(self) -> tuple[int, int]:
        return self.window().sizes

    def keeps_grid(self) -> bool:
        return self.window().keeps_grid()

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return a["stride"]


@lazy_dataclass
class Conv(_Sliding):
    """2-D convolution (LeCun et al. 1998, section II.A; `torch.nn.Conv2d`).

    CxHxW to out x H/stride x W/stride, rounded up, with `padding=same`.
    """

    name: ClassVar[str] = "conv"

    out: int = arg(Whole(), usual="16")
    kernel: tuple[int, int] = arg(Pair(), usual="3")
    stride: int = arg(Whole(), 1)
    padding: _Padding = arg(Word(("same",), Pair(0)), "same")
    groups: int = arg(Whole(), 1)
    dilation: int = arg(Whole(), 1)
    bias: bool = arg(Flag(), True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := _shape_mismatch(self.name, x, self.kernel, self.padding):
            return mismatch
        grid = self.window().output(self.name, x, _remedy(self.kernel))
        if isinstance(grid, ShapeMismatch):
            return grid
        y = (self.out, *grid[1:])
        return _unsplit(x[0], self.groups, y) or y

    def macs(self, x: Shape, y: Shape) -> int:
        return y[0] * y[1] * y[2] * (x[0] // self.groups) * self.kernel[0] * self.kernel[1]

    def window(self) -> Window:
        return _window(self.kernel, self.stride, self.padding, self.dilation)

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(a["out"], is_map=True)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return kernel_and_bias(a, a["out"], quotient(x.size, a["groups"]), *sides(a["kernel"]))

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {**a, "in": x.size, "padding": _torch_padding(a)}


@lazy_dataclass
class Depthwise(_Sliding):
    """Convolution of each channel separately (Howard et al. 2017, section 3.1; `torch.nn.Conv2d`).

    CxHxW to C x H/stride x W/stride, rounded up, with `padding=same`.
    """

    name: ClassVar[str] = "depthwise"
    inherits: ClassVar[str] = "conv"

    kernel: tuple[int, int] = arg(Pair(), usual="3")
    stride: int = arg(Whole(), 1)
    padding: _Padding = arg(Word(("same",), Pair(0)), "same")
    dilation: int = arg(Whole(), 1)
    bias: bool = arg(Flag(), True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        mismatch = _shape_mismatch(self.name, x, self.kernel, self.padding)
        return mismatch or self.window().output(self.name, x, _remedy(self.kernel))

    def macs(self, x: Shape, y: Shape) -> int:
        return y[0] * y[1] * y[2] * self.kernel[0] * self.kernel[1]

    def window(self) -> Window:
        return _window(self.kernel, self.stride, self.padding, self.dilation)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return kernel_and_bias(a, x.size, ONE, *sides(a["kernel"]))

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {**a, "in": x.size, "out": x.size, "groups": x.size, "padding": _torch_padding(a)}


@lazy_dataclass
class ConvTranspose(Weighted):
    """Transposed convolution, from the shape of a convolution's output to that of its input
    (Dumoulin and Visin 2016, chapter 4; `torch.nn.ConvTranspose2d`).

    CxHxW to out x (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1, and W alike.
    """

    name: ClassVar[str] = "conv_transpose"
    module_call: ClassVar[str] = (
        "nn.ConvTranspose2d(in, out, kernel, stride=1, padding=0, output_padding=0, groups=1, dilation=1, "
        "bias=True)"
    )
    function_call: ClassVar[str] = (
        "F.conv_transpose2d(x, weight, bias, stride=1, padding=0, output_padding=0, groups=1, dilation=1)"
    )

    out: int = arg(Whole(), usual="16")
    kernel: tuple[int, int] = arg(Pair(), usual="2")
    stride: int = arg(Whole(), 1)
    padding: tuple[int, int] = arg(Pair(0), 0)
    output_padding: tuple[int, int] = arg(Pair(0), 0)
    groups: int = arg(Whole(), 1)
    dilation: int = arg(Whole(), 1)
    bias: bool = arg(Flag(), True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        limit = max(self.stride, self.dilation)
        if max(self.output_padding) >= limit:
            return ShapeMismatch(
                f"`output_padding` is {max(self.output_padding)}, not less than the stride or the dilation",
                f"write `output_padding={limit - 1}`" if limit > 1 else "give it a stride of at least 2",
                cause="arguments",
                own=f"output_padding={limit - 1}" if limit > 1 else "stride=2",
                safe=limit > 1,
            )
        height, width = ((n - 1) * self.stride + more for n, more in zip(x[1:], self._beyond(), strict=True))
        if min(height, width) < 1:
            return ShapeMismatch(
                f"`{self.name}` has an empty output for its input of {show_shape(x)}", "use less padding"
            )
        y = (self.out, height, width)
        return _unsplit(x[0], self.groups, y) or y

    def macs(self, x: Shape, y: Shape) -> int:
        return x[0] * x[1] * x[2] * (y[0] // self.groups) * self.kernel[0] * self.kernel[1]

    def field(self) -> tuple[int, int]:
        height, width = ((k - 1) * self.dilation // self.stride + 1 for k in self.kernel)
        return height, width

    def keeps_grid(self) -> bool:
        return self._beyond() == (self.stride, self.stride)

    def _beyond(self) -> tuple[int, int]:
        """Rows and columns of the output that come from the last row and column of the input."""
        trios = zip(self.kernel, self.padding, self.output_padding, strict=True)
        height, width = ((k - 1) * self.dilation + 1 - 2 * p + more for k, p, more in trios)
        return height, width

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return operator("/", ONE, a["stride"])

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        return Symbolic(a["out"], is_map=True)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        kernel = (x.size, quotient(a["out"], a["groups"]), *sides(a["kernel"]))
        return kernel_and_bias(a, *kernel, out=a["out"])


def _shape_mismatch(name: str, x: Shape, kernel: tuple[int, int], padding: _Padding) -> ShapeMismatch | None:
    if mismatch := needs_map(name, x):
        return mismatch
    if padding == "same" and any(k % 2 == 0 for k in kernel):
        return ShapeMismatch(
            f"`padding=same` needs an odd kernel, but this one is {show_shape(kernel)}",
            f"use an odd kernel, or give the padding: `padding={_half(kernel)}`",
            cause="arguments",
            own=f"padding={_half(kernel)}",
        )
    return None


def _half(kernel: tuple[int, int]) -> str:
    """The padding with which an even kernel and a stride of 2 halve a map."""
    height, width = ((k - 1) // 2 for k in kernel)
    return str(height) if height == width else f"{height}x{width}"


def _remedy(kernel: tuple[int, int]) -> str:
    return "padding=same" if all(k % 2 for k in kernel) else ""


def _unsplit(size: int, groups: int, y: Shape) -> ShapeMismatch | None:
    return unsplit(math.gcd(size, y[0]), groups, f"{size} input and {y[0]} output channels", y)


def _window(kernel: tuple[int, int], stride: int, padding: _Padding, dilation: int) -> Window:
    height, width = ((k - 1) * dilation + 1 for k in kernel)
    if padding == "same":
        padding = (height // 2, width // 2)
    return Window((height, width), (stride, stride), padding)


def _torch_padding(a: Arguments) -> Expr:
    """The padding for torch: that of `same` as an expression."""
    if a["padding"] != Const(Symbol("same")):
        return a["padding"]
    height, width = sides(a["kernel"])
    if height is width:
        return operator("*", a["dilation"], operator("//", height, Const(2)))
    halves = (operator("*", a["dilation"], operator("//", side, Const(2))) for side in (height, width))
    return operator("pair", *halves)
