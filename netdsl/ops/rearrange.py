"""Slicing, shuffling, resizing and padding."""

from __future__ import annotations

from typing import ClassVar, Literal

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.values import Symbol
from netdsl.language.argument_types import Whole, Word, arg
from netdsl.language.expressions import ONE, Const, Expr, Operator, operator
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    TorchCall,
    needs_map,
    torch_call,
    unsplit,
)


@lazy_dataclass
class Slice(Operation):
    """Channels (or features) from `start` up to, but without, `end` (ShuffleNet V2's channel split, Ma et al.
    2018, section 3): CxHxW to (end - start)xHxW.
    """

    name: ClassVar[str] = "slice"
    function_call: ClassVar[str] = "torch.narrow(x, 1, start, length)"

    start: int = arg(Whole(0), usual="0")
    end: int | Literal["all"] = arg(Word(("all",), Whole()), "all")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        what = "channels" if len(x) == 3 else "features"
        end = x[0] if self.end == "all" else self.end
        if end > x[0]:
            return ShapeMismatch(
                f"`slice` ends at {end}, but its input has {x[0]} {what}",
                f"make `end` at most {x[0]}",
                own=f"end={x[0]}",
            )
        if self.start >= end:
            help, own = self._filled(what, end, x[0])
            return ShapeMismatch(f"`slice` from {self.start} to {end} is empty", help, own=own)
        return (end - self.start, *x[1:])

    def _filled(self, what: str, end: int, size: int) -> tuple[str, str]:
        """The help for an empty slice, and what is most likely meant."""
        if self.end == "all":
            return f"make `start` at most {end - 1}: {what} are counted from 0", f"start={end - 1}"
        after = self.start + end  # if `end` was meant as a length
        if end > 0 and after <= size:
            own = f"slice({self.start})" if after == size else f"slice({self.start}, {after})"
            why = f"`end` is not a length, but the number of the first of the {what} left out"
            return f"write `{own}`: {why}", own
        return f"make `end` more than `start`: {what} are counted from 0, and `end` is the first left out", ""

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=True)

    @classmethod
    def flow(cls, a: Arguments, x: Symbolic) -> Symbolic:
        end = x.size if _to_the_end(a) else a["end"]
        return Symbolic(operator("-", end, a["start"]), x.is_map)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return torch_call("Slice(start)" if _to_the_end(a) else "Slice(start, end)", a)

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {**a, "length": cls.flow(a, x).size}


def _to_the_end(a: Arguments) -> bool:
    return a["end"] == Const(Symbol("all"))


@lazy_dataclass
class ChannelShuffle(Operation):
    """Interleaves the channels of `groups` groups: CxHxW to CxHxW (Zhang et al. 2018, section 3.1;
    `torch.nn.ChannelShuffle`).
    """

    name: ClassVar[str] = "channel_shuffle"
    module_call: ClassVar[str] = "nn.ChannelShuffle(groups)"
    function_call: ClassVar[str] = "F.channel_shuffle(x, groups)"

    groups: int = arg(Whole(), usual="2")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        return unsplit(x[0], self.groups, f"{x[0]} channels", x) or x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(view=self.groups in (1, x[0]))


@lazy_dataclass
class Upsample(Operation):
    """Interpolation: CxHxW to C x factor H x factor W (`torch.nn.Upsample`, corners not aligned)."""

    name: ClassVar[str] = "upsample"
    module_call: ClassVar[str] = "nn.Upsample(scale_factor=factor, mode='nearest')"
    function_call: ClassVar[str] = "F.interpolate(x, scale_factor=factor, mode='nearest')"

    factor: int = arg(Whole(), usual="2")
    mode: Literal["nearest", "bilinear", "bicubic"] = arg(Word(("nearest", "bilinear", "bicubic")), "nearest")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], x[1] * self.factor, x[2] * self.factor)

    def field(self) -> tuple[int, int]:
        side = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]
        return (side, side)

    @classmethod
    def reduction(cls, a: Arguments) -> Expr:
        return operator("/", ONE, a["factor"])


@lazy_dataclass
class Pad(Operation):
    """`n` rows and columns of zeros on each side: CxHxW to C x H + 2n x W + 2n (`torch.nn.ZeroPad2d`)."""

    name: ClassVar[str] = "pad"
    module_call: ClassVar[str] = "nn.ZeroPad2d(n)"
    function_call: ClassVar[str] = "F.pad(x, sides)"

    n: int = arg(Whole(0), usual="1")

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], x[1] + 2 * self.n, x[2] + 2 * self.n)

    def keeps_grid(self) -> bool:
        return self.n == 0

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {**a, "sides": Operator("list", (a["n"],) * 4)}
