"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from netdsl.arguments import Flag, Whole, Word, arg
from netdsl.expressions import ONE, Const, Expr
from netdsl.ops.base import Arguments, Misfit, Operation, Shape, Slot, Symbolic, TorchCall, needs_map, options
from netdsl.ops.window import keeps_grid, window_output
from netdsl.values import Symbol


@dataclass(frozen=True, slots=True)
class _Pool(Operation):
    """A window that slides over each channel by itself; `stride` is the kernel's where not given."""

    module_name: ClassVar[str]
    function_name: ClassVar[str]

    kernel: int = arg(Whole())
    stride: int | Literal["kernel"] = arg(Word(("kernel",), Whole()), "kernel")
    padding: int = arg(Whole(0), 0)
    ceil: bool = arg(Flag(), False)

    def infer(self, x: Shape) -> Shape | Misfit:
        if misfit := needs_map(self.name, x):
            return misfit
        if self.padding > self.kernel // 2:
            return Misfit(
                f"a padding of {self.padding} is more than half of the kernel of {self.kernel}",
                "use less padding",
            )
        if self.ceil and min(rounded := [self._rounded_up(n) for n in x[1:]]) >= 1:
            return (x[0], *rounded)
        return window_output(self.name, x, self.window(), self._step(), (self.padding, self.padding))

    def _rounded_up(self, size: int) -> int:
        """torch's ceil mode: a last window may hang over the edge, but not start beyond the input."""
        step = self._step()
        count = -(-(size + 2 * self.padding - self.kernel) // step) + 1
        return count - 1 if (count - 1) * step >= size + self.padding else count

    def keeps_grid(self) -> bool:
        return keeps_grid(self.window(), self._step(), (self.padding, self.padding))

    def window(self) -> tuple[int, int]:
        return (self.kernel, self.kernel)

    def _step(self) -> int:
        return self.kernel if self.stride == "kernel" else self.stride

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return a["kernel"] if a["stride"] == Const(Symbol("kernel")) else a["stride"]

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.module_name, (a["kernel"],), cls._options(a))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.function_name, (Slot("x"), a["kernel"]), cls._options(a))

    @classmethod
    def _options(cls, a: Arguments) -> tuple[tuple[str, Expr], ...]:
        given = options(padding=(a["padding"], 0), ceil_mode=(a["ceil"], False))
        return given if cls.reduction(a) == a["kernel"] else (("stride", a["stride"]), *given)


@dataclass(frozen=True, slots=True)
class MaxPool(_Pool):
    """Maximum of each window (`torch.nn.MaxPool2d`)."""

    name: ClassVar[str] = "maxpool"
    module_name: ClassVar[str] = "nn.MaxPool2d"
    function_name: ClassVar[str] = "F.max_pool2d"


@dataclass(frozen=True, slots=True)
class AvgPool(_Pool):
    """Mean of each window (`torch.nn.AvgPool2d`); `count_padding` says whether padding counts in the mean."""

    name: ClassVar[str] = "avgpool"
    module_name: ClassVar[str] = "nn.AvgPool2d"
    function_name: ClassVar[str] = "F.avg_pool2d"

    count_padding: bool = arg(Flag(), True)

    @classmethod
    def _options(cls, a: Arguments) -> tuple[tuple[str, Expr], ...]:
        return super(AvgPool, cls)._options(a) + options(count_include_pad=(a["count_padding"], True))


@dataclass(frozen=True, slots=True)
class GlobalAvgPool(Operation):
    """Mean of each channel: CxHxW to Cx1x1 (Lin et al. 2014, section 3.2; `torch.nn.AdaptiveAvgPool2d`)."""

    name: ClassVar[str] = "global_avgpool"
    attribute: ClassVar[str] = "pool"

    def infer(self, x: Shape) -> Shape | Misfit:
        return needs_map(self.name, x) or (x[0], 1, 1)

    def keeps_grid(self) -> bool:
        return False

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.AdaptiveAvgPool2d", (ONE,))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.adaptive_avg_pool2d", (Slot("x"), ONE))
