"""Normalisation."""

from __future__ import annotations

import math
from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Flag, Real, Whole, arg
from netdsl.language.expressions import NO, ONE, YES, Expr, Operator
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    ShapeMismatch,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
    needs_map,
    torch_call,
    unsplit,
)


@lazy_dataclass
class BatchNorm(Weighted):
    """Batch normalisation over each channel or feature (Ioffe and Szegedy 2015; `torch.nn.BatchNorm2d`)."""

    name: ClassVar[str] = "bn"
    module_call: ClassVar[str] = "nn.BatchNorm2d(in, eps=1e-5, momentum=0.1, affine=True)"
    function_call: ClassVar[str] = (
        "F.batch_norm(x, running_mean, running_var, weight, bias, training, eps=1e-5, momentum=0.1)"
    )
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
        call = torch_call(cls.module_call, cls.torch_names(a, x))
        return call if x.is_map else call._replace(target="nn.BatchNorm1d")


@lazy_dataclass
class GroupNorm(Weighted):
    """Normalisation over groups of each example's channels (Wu and He 2018; `torch.nn.GroupNorm`)."""

    name: ClassVar[str] = "groupnorm"
    module_call: ClassVar[str] = "nn.GroupNorm(groups, in, eps=1e-5)"
    function_call: ClassVar[str] = "F.group_norm(x, groups, weight, bias, eps=1e-5)"
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


@lazy_dataclass
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
        name = "LayerNorm2d" if x.is_map else "nn.LayerNorm"
        return torch_call(f"{name}(in, eps=1e-5)", cls.torch_names(a, x))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        if x.is_map:
            return torch_call("layer_norm_2d(x, weight, bias, eps=1e-5)", a)
        shape = Operator("list", (x.size,))
        return torch_call("F.layer_norm(x, shape, weight, bias, eps=1e-5)", {**a, "shape": shape})


@lazy_dataclass
class InstanceNorm(Weighted):
    """Normalisation of each channel of each example (Ulyanov et al. 2016; `torch.nn.InstanceNorm2d`)."""

    name: ClassVar[str] = "instancenorm"
    module_call: ClassVar[str] = "nn.InstanceNorm2d(in, eps=1e-5, momentum=0.1, affine=False)"
    function_call: ClassVar[str] = (
        "F.instance_norm(x, running_mean, running_var, weight, bias, eps=1e-5, momentum=0.1)"
    )
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


@lazy_dataclass
class LocalResponseNorm(Operation):
    """Division by the activity of the `size` neighbouring channels (Krizhevsky et al. 2012, section 3.3;
    `torch.nn.LocalResponseNorm`, whose `alpha` is divided by `size`).
    """

    name: ClassVar[str] = "lrn"
    module_call: ClassVar[str] = "nn.LocalResponseNorm(size, alpha=1e-4, beta=0.75, k=1)"
    function_call: ClassVar[str] = "F.local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1)"

    size: int = arg(Whole(), usual="5")
    alpha: float = arg(Real(), 1e-4, named=True)
    beta: float = arg(Real(), 0.75, named=True)
    k: float = arg(Real(above=True), 1.0, named=True)

    def infer(self, x: Shape) -> Shape | ShapeMismatch:
        return needs_map(self.name, x) or x

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        padded = (x[0] + self.size - 1) * x[1] * x[2]
        return SavedForBackward(input=True, numbers=padded + 2 * math.prod(x))


def _scale_and_shift(size: Expr, present: Expr = YES) -> tuple[Weight, Weight]:
    return (
        Weight("weight", (size,), "scale", fill=ONE, present=present),
        Weight("bias", (size,), "shift", present=present),
    )
