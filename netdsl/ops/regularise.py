"""Regularisation inside the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from netdsl.language.argument_types import Real, arg
from netdsl.ops.operation import Arguments, Operation, SavedForBackward, Shape, Slot, Symbolic, TorchCall


@dataclass(frozen=True, slots=True)
class Dropout(Operation):
    """Sets numbers to 0 with probability `p` in training (Srivastava et al. 2014; `torch.nn.Dropout`)."""

    name: ClassVar[str] = "dropout"

    p: float = arg(Real(0, 1, below=True))

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(numbers=math.prod(x)) if self.p else SavedForBackward(view=True)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.Dropout", (a["p"],))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("dropout", (Slot("x"), a["p"], Slot("training"), Slot("generator")))


@dataclass(frozen=True, slots=True)
class DropPath(Operation):
    """Sets whole examples to 0 with probability `p` in training (stochastic depth, Huang et al. 2016,
    section 3; `torchvision.ops.StochasticDepth`, mode "row").
    """

    name: ClassVar[str] = "drop_path"

    p: float = arg(Real(0, 1, below=True))

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        return SavedForBackward(numbers=1) if self.p else SavedForBackward(view=True)

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("DropPath", (a["p"],))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("drop_path", (Slot("x"), a["p"], Slot("training"), Slot("generator")))
