"""Multiplication by numbers, constant or learned."""

from __future__ import annotations

from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Real, arg
from netdsl.language.expressions import ONE, Expr
from netdsl.ops.operation import (
    Arguments,
    Operation,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
)


@lazy_dataclass
class Scale(Operation):
    """A constant times x (for the branches of Inception-ResNet, Szegedy et al. 2017, section 3.3)."""

    name: ClassVar[str] = "scale"
    module_call: ClassVar[str] = "Scale(s)"
    function_call: ClassVar[str] = "torch.mul(x, s)"

    s: float = arg(Real(None), usual="0.5")


@lazy_dataclass
class LayerScale(Weighted):
    """A learned factor for each channel or feature (Touvron et al. 2021, section 2)."""

    name: ClassVar[str] = "layer_scale"
    function_call: ClassVar[str] = "torch.mul(x, weight)"

    initial: float = arg(Real(None), usual="1e-6")

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("weight", _shape(x), "scale", fill=a["initial"]),)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("LayerScale", _shape(x), (("initial", a["initial"]),))


def _shape(x: Symbolic) -> tuple[Expr, ...]:
    return (x.size, ONE, ONE) if x.is_map else (x.size,)
