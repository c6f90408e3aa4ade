"""Normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netdsl.arguments import Flag, Real, arg
from netdsl.expressions import Expr
from netdsl.ops.base import Arguments, Operation, Slot, Symbolic, TorchCall, Weight, options


@dataclass(frozen=True, slots=True)
class BatchNorm(Operation):
    """Batch normalisation over each channel or feature (Ioffe and Szegedy 2015; `torch.nn.BatchNorm2d`)."""

    name: ClassVar[str] = "bn"

    eps: float = arg(Real(above=True), 1e-5, named=True)
    momentum: float = arg(Real(0, 1), 0.1, named=True)
    affine: bool = arg(Flag(), True, named=True)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (
            Weight("weight", (x.size,), "scale", fill=1, present=a["affine"]),
            Weight("bias", (x.size,), "shift", present=a["affine"]),
            Weight("running_mean", (x.size,), "buffer"),
            Weight("running_var", (x.size,), "buffer", fill=1),
        )

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        named = _options(a) + options(affine=(a["affine"], True))
        return TorchCall("nn.BatchNorm2d" if x.is_map else "nn.BatchNorm1d", (x.size,), named)

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        slots = map(Slot, ("x", "running_mean", "running_var", "weight", "bias", "training"))
        return TorchCall("F.batch_norm", tuple(slots), _options(a))


def _options(a: Arguments) -> tuple[tuple[str, Expr], ...]:
    return options(eps=(a["eps"], 1e-5), momentum=(a["momentum"], 0.1))
