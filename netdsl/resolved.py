"""A network whose names have their meaning: operations, blocks and constants are bound, units are
written out, defaults and the recipe are filled in. Shapes are not known yet.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from netdsl.expressions import Expr
from netdsl.ops import Operation
from netdsl.ops.base import Shape
from netdsl.recipe import Recipe
from netdsl.source import Span
from netdsl.values import Number, Value

Bound: TypeAlias = tuple[tuple[str, Expr], ...]


class OperationStep(NamedTuple):
    operation: type[Operation]
    arguments: Bound
    span: Span
    label: str | None = None


class BlockStep(NamedTuple):
    block: str
    arguments: Bound
    span: Span
    label: str | None = None


class SkipStep(NamedTuple):
    """body(x) + x; + shortcut(x) where the body changes the shape; body(x) alone there if `if_same`."""

    body: Body
    shortcut: Body | None
    if_same: bool
    span: Span


Step: TypeAlias = OperationStep | BlockStep | SkipStep
Body: TypeAlias = tuple[Step, ...]


class BlockDefinition(NamedTuple):
    """`parameters` with their defaults, which may speak of the parameters before them."""

    name: str
    parameters: tuple[tuple[str, Expr | None], ...]
    body: Body
    documentation: str
    span: Span


class Section(NamedTuple):
    """`stem`, `head` or `layers`."""

    kind: str
    body: Body
    span: Span


class Stage(NamedTuple):
    """`copies` times of a block: one with the arguments `first`, the others with `rest`."""

    block: str
    first: Bound
    rest: Bound
    copies: int
    span: Span


Part: TypeAlias = Section | Stage


class Expectation(NamedTuple):
    quantity: Literal["params", "macs"]
    comparison: str
    value: Number
    span: Span


class ResolvedNetwork(NamedTuple):
    name: str
    documentation: str
    parameters: tuple[tuple[str, Value], ...]
    input: Shape
    classes: int | None
    parts: tuple[Part, ...]
    blocks: tuple[BlockDefinition, ...]
    init: Literal["kaiming", "pytorch"]
    recipe: Recipe
    expectations: tuple[Expectation, ...]
    span: Span

    def block(self, name: str) -> BlockDefinition:
        return next(block for block in self.blocks if block.name == name)
