"""The operations of the language, one family a file."""

from __future__ import annotations

from netdsl.ops.activation import Relu
from netdsl.ops.base import Operation
from netdsl.ops.conv import Conv
from netdsl.ops.linear import Flatten, Identity, Linear
from netdsl.ops.norm import BatchNorm
from netdsl.ops.pool import AvgPool, GlobalAvgPool, MaxPool
from netdsl.ops.regularise import Dropout

__all__ = ["OPERATIONS", "Operation"]

OPERATIONS: dict[str, type[Operation]] = {
    operation.name: operation
    for operation in (
        Conv,
        Linear,
        BatchNorm,
        Relu,
        MaxPool,
        AvgPool,
        GlobalAvgPool,
        Flatten,
        Dropout,
        Identity,
    )
}
