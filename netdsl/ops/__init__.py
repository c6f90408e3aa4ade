"""The operations of the language, one family in a file; `operation` has their base class.

An operation is defined in one place, with its arguments, shape rule, weights and torch calls. The other
packages treat all operations alike, and nothing in here knows blocks, bodies or files.
"""

from __future__ import annotations

from netdsl.ops.activation import ACTIVATIONS
from netdsl.ops.attention import Attention, AttentionPool, Mix
from netdsl.ops.conv import Conv, ConvTranspose, Depthwise
from netdsl.ops.linear import Flatten, Identity, Linear
from netdsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from netdsl.ops.operation import Operation
from netdsl.ops.pool import POOLS
from netdsl.ops.rearrange import ChannelShuffle, Pad, Slice, Upsample
from netdsl.ops.regularise import Dropout, DropPath
from netdsl.ops.scale import LayerScale, Scale
from netdsl.ops.token import ClassToken, Merge, Positions, Token

__all__ = ["OPERATIONS", "Operation"]

# In the order of the language's documentation.
_ALL: tuple[type[Operation], ...] = (
    *(Conv, Depthwise, ConvTranspose, Linear),
    *(BatchNorm, GroupNorm, LayerNorm, InstanceNorm, LocalResponseNorm),
    *ACTIVATIONS,
    *POOLS,
    *(Attention, AttentionPool, Mix, ClassToken, Positions, Token, Merge),
    *(Flatten, Dropout, DropPath, LayerScale, Slice, ChannelShuffle, Upsample, Pad, Scale, Identity),
)
OPERATIONS: dict[str, type[Operation]] = {operation.name: operation for operation in _ALL}
