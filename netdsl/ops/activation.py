"""Activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Real, arg
from netdsl.language.expressions import ONE, constant
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    Slot,
    Symbolic,
    TorchCall,
    Weight,
    Weighted,
    options,
)


@dataclass(frozen=True, slots=True)
class _Activation(Operation):
    """A function of each number by itself."""

    is_activation: ClassVar[bool] = True
    module_name: ClassVar[str]
    function_name: ClassVar[str]
    # Its derivative is computed from its output, not from its input.
    keeps_output: ClassVar[bool] = False

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(output=True) if self.keeps_output else SavedForBackward(input=True)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.module_name)

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.function_name, (Slot("x"),))


@dataclass(frozen=True, slots=True)
class Relu(_Activation):
    """max(x, 0) (Nair and Hinton 2010; `torch.nn.ReLU`)."""

    name: ClassVar[str] = "relu"
    module_name: ClassVar[str] = "nn.ReLU"
    function_name: ClassVar[str] = "F.relu"
    keeps_output: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Relu6(_Activation):
    """min(max(x, 0), 6) (Krizhevsky 2010; Sandler et al. 2018, section 4; `torch.nn.ReLU6`)."""

    name: ClassVar[str] = "relu6"
    module_name: ClassVar[str] = "nn.ReLU6"
    function_name: ClassVar[str] = "F.relu6"


@dataclass(frozen=True, slots=True)
class LeakyRelu(_Activation):
    """x where it is positive, `slope` x elsewhere (Maas et al. 2013, section 2; `torch.nn.LeakyReLU`)."""

    name: ClassVar[str] = "leaky_relu"

    slope: float = arg(Real(), 0.01)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.LeakyReLU", (), options(negative_slope=(a["slope"], 0.01)))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.leaky_relu", (Slot("x"),), options(negative_slope=(a["slope"], 0.01)))


@dataclass(frozen=True, slots=True)
class Elu(_Activation):
    """x where it is positive, exp(x) - 1 elsewhere (Clevert et al. 2016, equation 15; `torch.nn.ELU`)."""

    name: ClassVar[str] = "elu"
    module_name: ClassVar[str] = "nn.ELU"
    function_name: ClassVar[str] = "F.elu"


@dataclass(frozen=True, slots=True)
class Gelu(_Activation):
    """x times the normal distribution's P(X <= x) (Hendrycks and Gimpel 2016, section 2; `torch.nn.GELU`)."""

    name: ClassVar[str] = "gelu"
    module_name: ClassVar[str] = "nn.GELU"
    function_name: ClassVar[str] = "F.gelu"


@dataclass(frozen=True, slots=True)
class Silu(_Activation):
    """x times sigmoid(x), also called swish (Elfwing et al. 2018; `torch.nn.SiLU`)."""

    name: ClassVar[str] = "silu"
    module_name: ClassVar[str] = "nn.SiLU"
    function_name: ClassVar[str] = "F.silu"


@dataclass(frozen=True, slots=True)
class Hardswish(_Activation):
    """x times hardsigmoid(x) (Howard et al. 2019, section 5.2; `torch.nn.Hardswish`)."""

    name: ClassVar[str] = "hardswish"
    module_name: ClassVar[str] = "nn.Hardswish"
    function_name: ClassVar[str] = "F.hardswish"


@dataclass(frozen=True, slots=True)
class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2; `torch.nn.Hardsigmoid`)."""

    name: ClassVar[str] = "hardsigmoid"
    module_name: ClassVar[str] = "nn.Hardsigmoid"
    function_name: ClassVar[str] = "F.hardsigmoid"


@dataclass(frozen=True, slots=True)
class Sigmoid(_Activation):
    """1 / (1 + exp(-x)) (`torch.nn.Sigmoid`)."""

    name: ClassVar[str] = "sigmoid"
    module_name: ClassVar[str] = "nn.Sigmoid"
    function_name: ClassVar[str] = "torch.sigmoid"
    keeps_output: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Tanh(_Activation):
    """Hyperbolic tangent (`torch.nn.Tanh`)."""

    name: ClassVar[str] = "tanh"
    module_name: ClassVar[str] = "nn.Tanh"
    function_name: ClassVar[str] = "torch.tanh"
    keeps_output: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Prelu(Weighted):
    """x where it is positive, a learned slope times x elsewhere (He et al. 2015, section 2.1;
    `torch.nn.PReLU`); one slope for all channels, 0.25 at the start.
    """

    name: ClassVar[str] = "prelu"
    is_activation: ClassVar[bool] = True

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(input=True)

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("weight", (ONE,), "scale", fill=constant(0.25)),)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.PReLU")

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.prelu", (Slot("x"), Slot("weight")))
