"""Activations."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Real, arg
from netdsl.language.expressions import ONE, constant
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    Symbolic,
    Weight,
    Weighted,
    defined,
)


@lazy_dataclass
class _Activation(Operation):
    """A function of each number."""

    is_activation: ClassVar[bool] = True
    by_number: ClassVar[bool] = True
    # True if the backward pass needs the output, not the input.
    keeps_output: ClassVar[bool] = False

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(output=True) if self.keeps_output else SavedForBackward(input=True)


@lazy_dataclass
class _LeakyRelu(_Activation):
    """x where it is positive, `slope` x elsewhere (Maas et al. 2013, section 2; `torch.nn.LeakyReLU`)."""

    name: ClassVar[str] = "leaky_relu"
    module_call: ClassVar[str] = "nn.LeakyReLU(negative_slope=0.01)"
    function_call: ClassVar[str] = "F.leaky_relu(x, negative_slope=0.01)"

    slope: float = arg(Real(), 0.01)

    @classmethod
    def torch_names(cls, a: Arguments, x: Symbolic) -> Arguments:
        return {"negative_slope": a["slope"]}


@lazy_dataclass
class _Prelu(Weighted):
    """x where it is positive, a learned slope times x elsewhere (He et al. 2015, section 2.1;
    `torch.nn.PReLU`); one slope for all channels, 0.25 at the start.
    """

    name: ClassVar[str] = "prelu"
    module_call: ClassVar[str] = "nn.PReLU()"
    function_call: ClassVar[str] = "F.prelu(x, weight)"
    is_activation: ClassVar[bool] = True

    @classmethod
    def weights(cls, a: Arguments, x: Symbolic) -> tuple[Weight, ...]:
        return (Weight("weight", (ONE,), "scale", fill=constant(0.25)),)


_row = partial(defined, _Activation, ("module_call", "function_call", "keeps_output"))

# Name, module, function, whether the output is kept for the backward pass, documentation.
ACTIVATIONS: tuple[type[Operation], ...] = (
    _row("relu", "nn.ReLU()", "F.relu(x)", True, "max(x, 0) (Nair and Hinton 2010; `torch.nn.ReLU`)."),
    _row(
        *("relu6", "nn.ReLU6()", "F.relu6(x)", False),
        "min(max(x, 0), 6) (Krizhevsky 2010; Sandler et al. 2018, section 4; `torch.nn.ReLU6`).",
    ),
    _LeakyRelu,
    _row(
        *("elu", "nn.ELU()", "F.elu(x)", False),
        "x where it is positive, exp(x) - 1 elsewhere (Clevert et al. 2016, equation 15; `torch.nn.ELU`).",
    ),
    _row(
        *("gelu", "nn.GELU()", "F.gelu(x)", False),
        "x times the normal distribution's P(X <= x) (Hendrycks and Gimpel 2016, section 2; "
        "`torch.nn.GELU`).",
    ),
    _row(
        *("silu", "nn.SiLU()", "F.silu(x)", False),
        "x times sigmoid(x), also called swish (Elfwing et al. 2018; `torch.nn.SiLU`).",
    ),
    _row(
        *("hardswish", "nn.Hardswish()", "F.hardswish(x)", False),
        "x times hardsigmoid(x) (Howard et al. 2019, section 5.2; `torch.nn.Hardswish`).",
    ),
    _row(
        *("hardsigmoid", "nn.Hardsigmoid()", "F.hardsigmoid(x)", False),
        "min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2; `torch.nn.Hardsigmoid`).",
    ),
    _row("sigmoid", "nn.Sigmoid()", "torch.sigmoid(x)", True, "1 / (1 + exp(-x)) (`torch.nn.Sigmoid`)."),
    _row("tanh", "nn.Tanh()", "torch.tanh(x)", True, "Hyperbolic tangent (`torch.nn.Tanh`)."),
    _Prelu,
)
