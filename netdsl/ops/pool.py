"""Pooling."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.values import Symbol
from netdsl.language.argument_types import Flag, Pair, Word, arg
from netdsl.language.expressions import Const, Expr, constant
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    defined,
    needs_map,
    show_shape,
)
from netdsl.ops.window import Window, sides

# The position of a maximum takes eight bytes, as two numbers do.
_INDEX = 2


@lazy_dataclass
class _Pool(Operation):
    """A window that slides over each channel; the default stride is the kernel's size."""

    # True if the backward pass needs the position of each maximum.
    keeps_places: ClassVar[bool] = False

    kernel: tuple[int, int] = arg(Pair(), usual="2")
    stride: tuple[int, int] | Literal["kernel"] = arg(Word(("kernel",), Pair()), "kernel")
    padding: tuple[int, int] = arg(Pair(0), 0)
    ceil: bool = arg(Flag(), False)

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        if any(p > k // 2 for p, k in zip(self.padding, self.kernel, strict=True)):
            padding, kernel = _shown(self.padding), _shown(self.kernel)
            half = _shown((self.kernel[0] // 2, self.kernel[1] // 2))
            message = f"`padding` is {padding}, more than half of the kernel of {kernel}"
            own = f"padding={half}"
            return ShapeMismatch(message, f"write `{own}`", cause="arguments", own=own, safe=True)
        window = self._window()
        if self.ceil:
            height, width = (_rounded_up(*line) for line in zip(x[1:], *window, strict=True))
            if min(height, width) >= 1:
                return (x[0], height, width)
        return window.output(self.name, x, f"global_{self.name}")

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=_INDEX * math.prod(y) if self.keeps_places else 0)

    def field(self) -> tuple[int, int]:
        return self.kernel

    def keeps_grid(self) -> bool:
        window = self._window()
        if not self.ceil:
            return window.keeps_grid()
        square = window.strides[0] == window.strides[1]
        return square and all(_rounded_up_keeps_grid(*line) for line in zip(*window, strict=True))

    def _window(self) -> Window:
        return Window(self.kernel, self.kernel if self.stride == "kernel" else self.stride, self.padding)

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        """The stride of the height; if the width's differs, `keeps_grid` is false."""
        return sides(_stride(a))[0]

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        stride = constant(None) if _stride(a) == a["kernel"] else a["stride"]
        return {**a, "stride": stride, "ceil_mode": a["ceil"]}


def _stride(a: Arguments) -> Expr:
    return a["kernel"] if a["stride"] == Const(Symbol("kernel")) else a["stride"]


def _rounded_up(size: int, kernel: int, step: int, padding: int) -> int:
    """Size in torch's ceil mode: the last window must start within the input, and may extend beyond it."""
    count = -(-(size + 2 * padding - kernel) // step) + 1
    return count - 1 if (count - 1) * step >= size + padding else count


def _rounded_up_keeps_grid(kernel: int, step: int, padding: int) -> bool:
    """True if `_rounded_up` returns size / step, rounded up or down, for every size."""
    beyond = 2 * padding - kernel + step
    return beyond > -step and (padding == 0 or beyond <= 0)


def _shown(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else show_shape(pair)


@lazy_dataclass
class _AvgPool(_Pool):
    """Mean of each window: CxHxW to C x H/stride x W/stride; `count_padding` says whether padding counts
    in the mean (`torch.nn.AvgPool2d`).
    """

    name: ClassVar[str] = "avgpool"
    module_call: ClassVar[str] = (
        "nn.AvgPool2d(kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True)"
    )
    function_call: ClassVar[str] = (
        "F.avg_pool2d(x, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True)"
    )

    count_padding: bool = arg(Flag(), True)

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {**super().torch_names(a, x), "count_include_pad": a["count_padding"]}


@lazy_dataclass
class _GlobalPool(Operation):
    """One number for each channel: CxHxW to Cx1x1."""

    keeps_places: ClassVar[bool] = False
    attribute: ClassVar[str] = "pool"

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], 1, 1)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(self.keeps_places, numbers=_INDEX * x[0] if self.keeps_places else 0)

    def keeps_grid(self) -> bool:
        return False


@lazy_dataclass
class _AdaptiveAvgPool(_GlobalPool):
    """Means of a grid of `size` windows: CxHxW to C x size (with maxima He et al. 2014, section 2.2;
    `torch.nn.AdaptiveAvgPool2d`).
    """

    name: ClassVar[str] = "adaptive_avgpool"
    module_call: ClassVar[str] = "nn.AdaptiveAvgPool2d(size)"
    function_call: ClassVar[str] = "F.adaptive_avg_pool2d(x, size)"

    size: tuple[int, int] = arg(Pair(), usual="1")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], *self.size)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=y[1:] != (1, 1))  # one position is torch's `mean`


_COLUMNS = ("module_call", "function_call", "keeps_places")

# Base, columns; name, module, function, whether positions are kept for the backward pass, documentation.
POOLS: tuple[type[Operation], ...] = (
    defined(
        *(_Pool, _COLUMNS, "maxpool"),
        "nn.MaxPool2d(kernel, stride=None, padding=0, ceil_mode=False)",
        "F.max_pool2d(x, kernel, stride=None, padding=0, ceil_mode=False)",
        True,
        "Maximum of each window: CxHxW to C x H/stride x W/stride (`torch.nn.MaxPool2d`).",
    ),
    _AvgPool,
    defined(
        *(_GlobalPool, _COLUMNS, "global_avgpool"),
        *("nn.AdaptiveAvgPool2d(1)", "F.adaptive_avg_pool2d(x, 1)", False),
        "Mean of each channel: CxHxW to Cx1x1 (Lin et al. 2014, section 3.2; `torch.nn.AdaptiveAvgPool2d`).",
    ),
    defined(
        *(_GlobalPool, _COLUMNS, "global_maxpool"),
        *("nn.AdaptiveMaxPool2d(1)", "F.adaptive_max_pool2d(x, 1)", True),
        "Maximum of each channel: CxHxW to Cx1x1 (Oquab et al. 2015; `torch.nn.AdaptiveMaxPool2d`).",
    ),
    _AdaptiveAvgPool,
)
