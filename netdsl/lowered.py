"""A network ready to be written as code, still hierarchical: a block is lowered once, over its
parameters, and a stage is runs of calls. The same for every output style.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from netdsl.expressions import Expr
from netdsl.ops import Operation
from netdsl.ops.base import Symbolic, TorchCall, Weight
from netdsl.resolved import ResolvedNetwork


class Layer(NamedTuple):
    """An operation as the torch calls that it stands for; `function` is None where it does nothing."""

    operation: type[Operation]
    module: TorchCall
    function: TorchCall | None
    weights: tuple[Weight, ...]
    label: str | None


class BlockCall(NamedTuple):
    """A block with its arguments (those that differ from its defaults) on `size` channels or features."""

    block: LoweredBlock
    size: Expr
    arguments: tuple[tuple[str, Expr], ...]
    label: str | None


class Skip(NamedTuple):
    """body(x) + x where `same` holds, else body(x) + shortcut(x), or body(x) alone without a shortcut."""

    body: LoweredBody
    shortcut: LoweredBody | None
    same: Expr


LoweredStep: TypeAlias = Layer | BlockCall | Skip
LoweredBody: TypeAlias = tuple[LoweredStep, ...]


def layers(body: LoweredBody) -> Iterator[Layer]:
    """The layers of a body in textual order, those of skip connections too, but not of called blocks."""
    return (step for step in _flat(body) if isinstance(step, Layer))


def calls(body: LoweredBody) -> Iterator[BlockCall]:
    """The calls of blocks in a body, those in skip connections too."""
    return (step for step in _flat(body) if isinstance(step, BlockCall))


def _flat(body: LoweredBody) -> Iterator[LoweredStep]:
    for step in body:
        if isinstance(step, Skip):
            yield from _flat(step.body)
            yield from _flat(step.shortcut or ())
        else:
            yield step


class BlockParameter(NamedTuple):
    """A parameter of a block in generated code; `type` is its annotation.

    Without a `default` every caller gives it; `named` ones have a default in the language, or none there.
    """

    name: str
    type: str
    default: Expr | None
    named: bool


class LoweredBlock(NamedTuple):
    """`reduction` is how many times smaller height and width get, None where that is no simple stride."""

    name: str
    documentation: str
    parameters: tuple[BlockParameter, ...]
    body: LoweredBody
    input: Symbolic
    output: Symbolic
    reduction: Expr | None


class LoweredSection(NamedTuple):
    """`name` is unique: `stem`, `head`, `layers`, or `layers1`, `layers2`, …"""

    name: str
    kind: str
    body: LoweredBody


class LoweredStage(NamedTuple):
    """`stage1`, `stage2`, …: calls, each repeated."""

    name: str
    runs: tuple[tuple[BlockCall, int], ...]


LoweredPart: TypeAlias = LoweredSection | LoweredStage


class LoweredNetwork(NamedTuple):
    """`blocks` stand before those that call them."""

    network: ResolvedNetwork
    output: tuple[int, ...]
    blocks: tuple[LoweredBlock, ...]
    parts: tuple[LoweredPart, ...]
