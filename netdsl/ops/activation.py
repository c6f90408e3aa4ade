"""Activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netdsl.ops.base import Arguments, Operation, Slot, Symbolic, TorchCall


@dataclass(frozen=True, slots=True)
class Relu(Operation):
    """max(x, 0) (`torch.nn.ReLU`)."""

    name: ClassVar[str] = "relu"
    is_activation: ClassVar[bool] = True

    @classmethod
    def module(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("nn.ReLU")

    @classmethod
    def function(cls, a: Arguments, x: Symbolic) -> TorchCall:
        return TorchCall("F.relu", (Slot("x"),))
