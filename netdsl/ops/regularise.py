"""Regularisation inside the network."""

from __future__ import annotations

import math
from typing import ClassVar

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.language.argument_types import Real, arg
from netdsl.ops.operation import (
    Operation,
    SavedForBackward,
    Shape,
    defined,
)


@lazy_dataclass
class _Dropout(Operation):
    """Sets values to 0 with probability `p` in training."""

    by_number: ClassVar[bool] = True
    # True if one value is drawn for a whole example.
    by_example: ClassVar[bool]

    p: float = arg(Real(0, 1, below=True), usual="0.5")

    def saved_for_backward(self, x: Shape, y: Shape) -> SavedForBackward:
        drawn = 1 if self.by_example else math.prod(x)
        return SavedForBackward(numbers=drawn) if self.p else SavedForBackward(view=True)


_COLUMNS = ("module_call", "function_call", "by_example")

Dropout = defined(
    *(_Dropout, _COLUMNS, "dropout"),
    *("nn.Dropout(p)", "dropout(x, p, training, generator)", False),
    "Sets numbers to 0 with probability `p` in training (Srivastava et al. 2014; `torch.nn.Dropout`).",
)
DropPath = defined(
    *(_Dropout, _COLUMNS, "drop_path"),
    *("DropPath(p)", "drop_path(x, p, training, generator)", True),
    "Sets whole examples to 0 with probability `p` in training (stochastic depth, Huang et al. 2016,\n"
    'section 3; `torchvision.ops.StochasticDepth`, mode "row").',
)
