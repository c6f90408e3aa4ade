"""Regularisation inside the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Real, arg
from netdsl.ops.operation import (
    Arguments,
    Operation,
    SavedForBackward,
    Shape,
    Slot,
    Symbolic,
    TorchCall,
    defined,
)


@dataclass(frozen=True, slots=True)
class _Dropout(Operation):
    """Sets values to 0 with probability `p` in training."""

    module_name: ClassVar[str]
    function_name: ClassVar[str]
    # Whether one value is drawn for a whole example.
    by_example: ClassVar[bool]

    p: float = arg(Real(0, 1, below=True), usual="0.5")

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        drawn = 1 if self.by_example else math.prod(x)
        return SavedForBackward(numbers=drawn) if self.p else SavedForBackward(view=True)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.module_name, (a["p"],))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall(cls.function_name, (Slot("x"), a["p"], Slot("training"), Slot("generator")))


_COLUMNS = ("module_name", "function_name", "by_example")

Dropout = defined(
    *(_Dropout, _COLUMNS, "dropout", "nn.Dropout", "dropout", False),
    "Sets numbers to 0 with probability `p` in training (Srivastava et al. 2014; `torch.nn.Dropout`).",
)
DropPath = defined(
    *(_Dropout, _COLUMNS, "drop_path", "DropPath", "drop_path", True),
    "Sets whole examples to 0 with probability `p` in training (stochastic depth, Huang et al. 2016,\n"
    'section 3; `torchvision.ops.StochasticDepth`, mode "row").',
)
