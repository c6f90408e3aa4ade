"""Activations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
    defined,
    options,
)


@dataclass(frozen=True, slots=True)
class _Activation(Operation):
    """A function of each number."""

    is_activation: ClassVar[bool] = True
    module_name: ClassVar[str]
    function_name: ClassVar[str]
    # Whether the backward pass needs the output, not the input.
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
class _LeakyRelu(_Activation):
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
class _Prelu(Weighted):
    """x where it is positive, a learned slope times x elsewhere (He et al. 2015, section 2.1;
    `torch.nn.PReLU`); one slope for all channels, 0.25 at the start.
    """

    name: ClassVar[str] = "prelu"
    is_activation: ClassVar[bool] = True

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("weight", (ONE,), "scale", fill=constant(0.25)),)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.PReLU")

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.prelu", (Slot("x"), Slot("weight")))


_row = partial(defined, _Activation, ("module_name", "function_name", "keeps_output"))

# Name, module, function, whether the output is kept for the backward pass, documentation.
ACTIVATIONS: tuple[type[Operation], ...] = (
    _row("relu", "nn.ReLU", "F.relu", True, "max(x, 0) (Nair and Hinton 2010; `torch.nn.ReLU`)."),
    _row(
        *("relu6", "nn.ReLU6", "F.relu6", False),
        "min(max(x, 0), 6) (Krizhevsky 2010; Sandler et al. 2018, section 4; `torch.nn.ReLU6`).",
    ),
    _LeakyRelu,
    _row(
        *("elu", "nn.ELU", "F.elu", False),
        "x where it is positive, exp(x) - 1 elsewhere (Clevert et al. 2016, equation 15; `torch.nn.ELU`).",
    ),
    _row(
        *("gelu", "nn.GELU", "F.gelu", False),
        "x times the normal distribution's P(X <= x) (Hendrycks and Gimpel 2016, section 2; "
        "`torch.nn.GELU`).",
    ),
    _row(
        *("silu", "nn.SiLU", "F.silu", False),
        "x times sigmoid(x), also called swish (Elfwing et al. 2018; `torch.nn.SiLU`).",
    ),
    _row(
        *("hardswish", "nn.Hardswish", "F.hardswish", False),
        "x times hardsigmoid(x) (Howard et al. 2019, section 5.2; `torch.nn.Hardswish`).",
    ),
    _row(
        *("hardsigmoid", "nn.Hardsigmoid", "F.hardsigmoid", False),
        "min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2; `torch.nn.Hardsigmoid`).",
    ),
    _row("sigmoid", "nn.Sigmoid", "torch.sigmoid", True, "1 / (1 + exp(-x)) (`torch.nn.Sigmoid`)."),
    _row("tanh", "nn.Tanh", "torch.tanh", True, "Hyperbolic tangent (`torch.nn.Tanh`)."),
    _Prelu,
)
