"""Attention over the positions of a map, and its relatives: each position is a token."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar, Literal

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.values import Symbol
from netdsl.language.argument_types import Flag, Real, Whole, Word, arg
from netdsl.language.expressions import NO, ONE, ZERO, Const, Expr, operator
from netdsl.ops.operation import (
    EVERYWHERE,
    Arguments,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Slot,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
    needs_map,
    unsplit,
)

# The hidden features of the network that computes continuous biases (Liu et al. 2022, section 3.3).
_HIDDEN = 512
# Cosines are divided by a temperature that starts at 0.1; its logarithm is learned.
_TEMPERATURE = Const(Fraction(repr(math.log(10))))
_ALL, _AUTO = Const(Symbol("all")), Const(Symbol("auto"))
_DRAWN = ("trunc_normal", (("std", Fraction(1, 50)),))


@lazy_dataclass
class Attention(Weighted):
    """Multi-head self-attention, each position of the map a token (Vaswani et al. 2017, section 3.2).

    Over all positions, within windows (Swin, Liu et al. 2021, section 3.2), or over a dilated grid (MaxViT,
    Tu et al. 2022, section 3.2).

    Maps are padded to whole windows, which are shifted by `shift` positions unless one covers the map. `bias`
    is added for each relative position: from a table, or `continuous`, from a small network (Swin V2, Liu et
    al. 2022, section 3.3). `cosine` attends by cosines with a learned temperature. `scale=auto` is 1 / sqrt(C
    / heads).
    """

    name: ClassVar[str] = "attention"
    contains: ClassVar[str] = "linear"
    fixed: ClassVar[tuple[str, ...]] = ("window", "bias", "scale", "cosine")

    heads: int = arg(Whole(), usual="4")
    window: int | Literal["all"] = arg(Word(("all",), Whole()), "all")
    shift: int = arg(Whole(0), 0)
    grid: bool = arg(Flag(), False)
    bias: Literal["none", "relative", "continuous"] = arg(Word(("none", "relative", "continuous")), "none")
    scale: float | Literal["auto"] = arg(Word(("auto",), Real(above=True)), "auto")
    cosine: bool = arg(Flag(), False)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        if mismatch := unsplit(x[0], self.heads, f"{x[0]} channels", x, "heads"):
            return mismatch
        return self._wrong_arguments(x) or x

    def _wrong_arguments(self, x: Shape) -> ShapeMismatch | None:
        if self.window == "all":
            needs = {"shift": self.shift > 0, "grid": self.grid, "bias": self.bias != "none"}
            for name, given in needs.items():
                if given:
                    own = f"window={2 * self.shift if name == 'shift' else min(7, max(x[1:]))}"
                    return _mismatch(f"`{name}` needs a `window`", f"write `{own}`", x, own)
        elif self.grid and self.shift:
            return _mismatch("a grid has no shift", "write `shift=0`", x, "shift=0")
        elif self.shift >= self.window:
            own = f"shift={self.window // 2}"
            message = f"`shift` is {self.shift}, not less than the window of {self.window}"
            return _mismatch(message, f"write `{own}`", x, own)
        if self.cosine and self.scale != "auto":
            message = "`cosine` has a learned temperature in place of a `scale`"
            return _mismatch(message, "write `scale=auto`", x, "scale=auto")
        return None

    def macs(self, x: Shape, y: Shape) -> int:
        windows, tokens = self._windows(x)
        projections = 4 * x[0] ** 2
        products = 2 * tokens * x[0]
        return windows * tokens * (projections + products) + self._bias_macs()

    def _bias_macs(self) -> int:
        """Those of a continuous bias, which is computed once for a batch."""
        if self.bias != "continuous" or self.window == "all":
            return 0
        return (2 * self.window - 1) ** 2 * _HIDDEN * (2 + self.heads)

    def _windows(self, x: Shape) -> tuple[int, int]:
        """The number of windows, and of positions in each."""
        if self.window == "all":
            return 1, x[1] * x[2]
        return math.prod(-(-side // self.window) for side in x[1:]), self.window**2

    def _is_masked(self, x: Shape) -> bool:
        """True if numbers are added to the products of queries and keys."""
        if self.window == "all":
            return False
        return self.bias != "none" or (self.shift > 0 and any(side > self.window for side in x[1:]))

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        """Without a mask torch keeps no products: its kernel is fused."""
        windows, tokens = self._windows(x)
        rows = windows * tokens
        numbers, products = rows * x[0], rows * tokens * self.heads
        # Queries, keys, values and the output, to which `proj` is applied.
        saved = 4 * numbers + (products if self._is_masked(x) else rows * self.heads)
        if self.cosine:  # the queries and keys before and after normalisation, and their norms
            saved += 3 * numbers + 4 * rows * self.heads + self.heads
        shares = self.heads == 1 or windows == 1  # The values are a part of what `qkv` computed.
        if self._is_masked(x) and shares != self.cosine:
            saved += 2 * numbers if shares else numbers
        if self.bias == "continuous" and self.window != "all":
            saved += (2 * self.window - 1) ** 2 * _HIDDEN + tokens**2 * self.heads
        whole = self._is_whole(x)
        return SavedForBackward(input=whole, numbers=saved + (0 if whole else numbers))

    def _is_whole(self, x: Shape) -> bool:
        """True if the windows are the map as it is, without a copy."""
        if self.window == "all":
            return True
        height, width = x[1:]
        stacked = width == self.window and height % self.window == 0
        return stacked and (height == self.window or not (self.grid or self.shift))

    def field(self) -> tuple[int, int]:
        window = EVERYWHERE if self.window == "all" or self.grid else self.window
        return window, window

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        bias, window = a["bias"], ONE if a["window"] == _ALL else a["window"]
        side = operator("-", operator("*", Const(2), window), ONE)
        relative, continuous = (
            operator("==", bias, Const(Symbol(kind))) for kind in ("relative", "continuous")
        )
        triple = operator("*", Const(3), x.size)
        hidden = Const(_HIDDEN)
        return (
            Weight("table", (operator("*", side, side), a["heads"]), "shift", present=relative, drawn=_DRAWN),
            Weight("temperature", (a["heads"], ONE, ONE), "shift", _TEMPERATURE, a["cosine"]),
            Weight("qkv.weight", (triple, x.size), "kernel", drawn=("xavier_uniform", (("gain", 1),))),
            Weight("qkv.bias", (triple,), "shift"),
            Weight("proj.weight", (x.size, x.size), "kernel"),
            Weight("proj.bias", (x.size,), "shift"),
            Weight("mlp.0.weight", (hidden, Const(2)), "kernel", present=continuous),
            Weight("mlp.0.bias", (hidden,), "bias", present=continuous),
            Weight("mlp.2.weight", (a["heads"], hidden), "kernel", present=continuous),
        )

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("".join(map(str.capitalize, _kind(a))), (x.size, a["heads"]), _given(a))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        slots = tuple(Slot(weight.name) for weight in cls.weights(a, x) if weight.present != NO)
        return TorchCall("_".join(_kind(a)), (Slot("x"), *slots, a["heads"]), _given(a))


def _kind(a: Arguments) -> tuple[str, ...]:
    """The words of the helper's name: `relative attention`, `cosine continuous attention`."""
    bias = a["bias"]
    kind = bias.value.name if isinstance(bias, Const) and isinstance(bias.value, Symbol) else "none"
    if kind == "none":
        kind = "" if a["window"] == _ALL else "window"
    return tuple(filter(None, ("" if a["cosine"] == NO else "cosine", kind, "attention")))


def _given(a: Arguments) -> tuple[tuple[str, Expr], ...]:
    defaults = {"window": _ALL, "shift": ZERO, "grid": NO, "scale": _AUTO}
    return tuple((name, a[name]) for name, default in defaults.items() if a[name] != default)


def _mismatch(message: str, help: str, output: Shape, own: str) -> ShapeMismatch:
    return ShapeMismatch(message, help, output, "arguments", own)


@lazy_dataclass
class AttentionPool(Weighted):
    """Mean of all positions, weighted by the softmax of a score that is learned (Hassani et al. 2021,
    section 3.1, SeqPool): CxHxW to Cx1x1.
    """

    name: ClassVar[str] = "attention_pool"
    contains: ClassVar[str] = "linear"
    module_call: ClassVar[str] = "AttentionPool(in)"
    function_call: ClassVar[str] = "attention_pool(x, score.weight, score.bias)"
    attribute: ClassVar[str] = "pool"

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or (x[0], 1, 1)

    def macs(self, x: Shape, y: Shape) -> int:
        return 2 * math.prod(x)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=x[1] * x[2])

    def keeps_grid(self) -> bool:
        return False

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("score.weight", (ONE, x.size), "kernel"), Weight("score.bias", (ONE,), "bias"))


@lazy_dataclass
class Mix(Weighted):
    """Two linear layers across the positions of each channel, `hidden` features and a GELU between them
    (MLP-Mixer, Tolstikhin et al. 2021, section 2). Its weights have the size of the map.
    """

    name: ClassVar[str] = "mix"
    contains: ClassVar[str] = "linear"
    module_call: ClassVar[str] = "Mix(positions, hidden)"
    function_call: ClassVar[str] = "mix(x, fc1.weight, fc1.bias, fc2.weight, fc2.bias)"
    sized: ClassVar[bool] = True

    hidden: int = arg(Whole(), usual="64")

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or x

    def macs(self, x: Shape, y: Shape) -> int:
        return 2 * math.prod(x) * self.hidden

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=2 * x[0] * self.hidden)

    def field(self) -> tuple[int, int]:
        return EVERYWHERE, EVERYWHERE

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (
            Weight("fc1.weight", (a["hidden"], x.positions), "kernel"),
            Weight("fc1.bias", (a["hidden"],), "bias"),
            Weight("fc2.weight", (x.positions, a["hidden"]), "kernel"),
            Weight("fc2.bias", (x.positions,), "bias"),
        )
