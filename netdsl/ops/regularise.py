"""Regularisation inside the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netdsl.arguments import Real, arg
from netdsl.ops.base import Arguments, Operation, Slot, Symbolic, TorchCall


@dataclass(frozen=True, slots=True)
class Dropout(Operation):
    """Sets elements to 0 with probability `p` in training (Srivastava et al. 2014; `torch.nn.Dropout`)."""

    name: ClassVar[str] = "dropout"

    p: float = arg(Real(0, 1, below=True))

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.Dropout", (a["p"],))

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.dropout", (Slot("x"), a["p"], Slot("training")))
