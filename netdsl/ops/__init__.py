"""The operations of the language, one family a file; `operation` says what an operation is.

Each stands in one place with its arguments, shape rule, weights and torch call: nothing else in netdsl knows
an operation by name, and nothing here knows blocks, bodies or files.
"""

from __future__ import annotations

from netdsl.ops.activation import (
    Elu,
    Gelu,
    Hardsigmoid,
    Hardswish,
    LeakyRelu,
    Prelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Tanh,
)
from netdsl.ops.conv import Conv, ConvTranspose, Depthwise
from netdsl.ops.linear import Flatten, Identity, Linear
from netdsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from netdsl.ops.operation import Operation
from netdsl.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from netdsl.ops.rearrange import ChannelShuffle, Pad, Slice, Upsample
from netdsl.ops.regularise import Dropout, DropPath
from netdsl.ops.scale import LayerScale, Scale

__all__ = ["OPERATIONS", "Operation"]

# In the order of the language's documentation.
OPERATIONS: dict[str, type[Operation]] = {
    operation.name: operation
    for operation in (
        *(Conv, Depthwise, ConvTranspose, Linear),
        *(BatchNorm, GroupNorm, LayerNorm, InstanceNorm, LocalResponseNorm),
        *(Relu, Relu6, LeakyRelu, Elu, Gelu, Silu, Hardswish, Hardsigmoid, Sigmoid, Tanh, Prelu),
        *(MaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, AdaptiveAvgPool),
        *(Flatten, Dropout, DropPath, LayerScale, Slice, ChannelShuffle, Upsample, Pad, Scale, Identity),
    )
}
