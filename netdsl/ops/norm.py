"""Normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Flag, Real, Whole, arg
from netdsl.language.expressions import NO, ONE, YES, Expr, Operator
from netdsl.ops.operation import (
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
    needs_map,
    options,
    unsplit,
)


@dataclass(frozen=True, slots=True)
class BatchNorm(Weighted):
    """Batch normalisation over each channel or feature (Ioffe and Szegedy 2015; `torch.nn.BatchNorm2d`)."""

    name: ClassVar[str] = "bn"
    centres: ClassVar[bool] = True

    eps: float = arg(Real(above=True), 1e-5, named=True)
    momentum: float = arg(Real(0, 1), 0.1, named=True)
    affine: bool = arg(Flag(), True, named=True)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=2 * x[0])

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (
            *_scale_and_shift(x.size, present=a["affine"]),
            Weight("running_mean", (x.size,), "buffer"),
            Weight("running_var", (x.size,), "buffer", fill=ONE),
        )

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        named = _options(a) + options(affine=(a["affine"], True))
        return TorchCall("nn.BatchNorm2d" if x.is_map else "nn.BatchNorm1d", (x.size,), named)

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        slots = map(Slot, ("x", "running_mean", "running_var", "weight", "bias", "training"))
        return TorchCall("F.batch_norm", tuple(slots), _options(a))


@dataclass(frozen=True, slots=True)
class GroupNorm(Weighted):
    """Normalisation over groups of each example's channels (Wu and He 2018; `torch.nn.GroupNorm`)."""

    name: ClassVar[str] = "groupnorm"
    attribute: ClassVar[str] = "norm"

    groups: int = arg(Whole(), usual="8")
    eps: float = arg(Real(above=True), 1e-5, named=True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        what = "channels" if len(x) == 3 else "features"
        return unsplit(x[0], self.groups, f"{x[0]} {what}", x) or x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=2 * self.groups)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return _scale_and_shift(x.size)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.GroupNorm", (a["groups"], x.size), options(eps=(a["eps"], 1e-5)))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        positional = (Slot("x"), a["groups"], Slot("weight"), Slot("bias"))
        return TorchCall("F.group_norm", positional, options(eps=(a["eps"], 1e-5)))


@dataclass(frozen=True, slots=True)
class LayerNorm(Weighted):
    """Normalisation over the features of a vector, or the channels at each position of a map (Ba et al. 2016,
    section 3; on maps as in ConvNeXt, Liu et al. 2022, section 2.6; `torch.nn.LayerNorm`).
    """

    name: ClassVar[str] = "layernorm"
    attribute: ClassVar[str] = "norm"

    eps: float = arg(Real(above=True), 1e-5, named=True)

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=2 * math.prod(x[1:]))

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return _scale_and_shift(x.size)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        target = "LayerNorm2d" if x.is_map else "nn.LayerNorm"
        return TorchCall(target, (x.size,), options(eps=(a["eps"], 1e-5)))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        eps = options(eps=(a["eps"], 1e-5))
        if x.is_map:
            return TorchCall("layer_norm_2d", (Slot("x"), Slot("weight"), Slot("bias")), eps)
        shape = Operator("list", (x.size,))
        return TorchCall("F.layer_norm", (Slot("x"), shape, Slot("weight"), Slot("bias")), eps)


@dataclass(frozen=True, slots=True)
class InstanceNorm(Weighted):
    """Normalisation of each channel of each example (Ulyanov et al. 2016; `torch.nn.InstanceNorm2d`)."""

    name: ClassVar[str] = "instancenorm"
    centres: ClassVar[bool] = True
    attribute: ClassVar[str] = "norm"

    eps: float = arg(Real(above=True), 1e-5, named=True)
    momentum: float = arg(Real(0, 1), 0.1, named=True)
    affine: bool = arg(Flag(), False, named=True)

    def output(self, x: Shape) -> Shape | ShapeMismatch:
        if mismatch := needs_map(self.name, x):
            return mismatch
        if x[1:] == (1, 1):  # torch refuses it in training
            return ShapeMismatch(
                f"`{self.name}` needs more than one position of each channel",
                "remove it, or put it where the height or width is more than 1",
                x,
            )
        return x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True, numbers=(3 if self.affine else 2) * x[0])

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        # torch's function has arguments for running statistics, which its module doesn't keep by default.
        return (
            *_scale_and_shift(x.size, present=a["affine"]),
            Weight("running_mean", (x.size,), "buffer", present=NO),
            Weight("running_var", (x.size,), "buffer", fill=ONE, present=NO),
        )

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        named = _options(a) + options(affine=(a["affine"], False))
        return TorchCall("nn.InstanceNorm2d", (x.size,), named)

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        slots = map(Slot, ("x", "running_mean", "running_var", "weight", "bias"))
        return TorchCall("F.instance_norm", tuple(slots), _options(a))


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Operation):
    """Division by the activity of the `size` neighbouring channels (Krizhevsky et al. 2012, section 3.3;
    `torch.nn.LocalResponseNorm`, whose `alpha` is divided by `size`).
    """

    name: ClassVar[str] = "lrn"

    size: int = arg(Whole(), usual="5")
    alpha: float = arg(Real(), 1e-4, named=True)
    beta: float = arg(Real(), 0.75, named=True)
    k: float = arg(Real(above=True), 1.0, named=True)

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        padded = (x[0] + self.size - 1) * x[1] * x[2]
        return SavedForBackward(input=True, numbers=padded + 2 * math.prod(x))

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.LocalResponseNorm", (a["size"],), cls._options(a))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.local_response_norm", (Slot("x"), a["size"]), cls._options(a))

    @classmethod
    def _options(cls, a: Arguments) -> tuple[tuple[str, Expr], ...]:
        return options(alpha=(a["alpha"], 1e-4), beta=(a["beta"], 0.75), k=(a["k"], 1))


def _scale_and_shift(size: Expr, present: Expr = YES) -> tuple[Weight, Weight]:
    return (
        Weight("weight", (size,), "scale", fill=ONE, present=present),
        Weight("bias", (size,), "shift", present=present),
    )


def _options(a: Arguments) -> tuple[tuple[str, Expr], ...]:
    return options(eps=(a["eps"], 1e-5), momentum=(a["momentum"], 0.1))
