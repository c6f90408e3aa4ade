"""A network whose names have their meaning: operations, blocks and constants are bound, units are
written out, defaults and the recipe are filled in. Shapes are not known yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from netdsl.expressions import Expr
from netdsl.ops import Operation
from netdsl.ops.base import Shape
from netdsl.recipe import Recipe
from netdsl.source import Span
from netdsl.values import Number, Value

Bound: TypeAlias = tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class OperationStep:
    operation: type[Operation]
    arguments: Bound
    span: Span
    label: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStep:
    block: str
    arguments: Bound
    span: Span
    label: str | None = None


@dataclass(frozen=True, slots=True)
class SkipStep:
    """body(x) + x; + shortcut(x) where the body changes the shape; body(x) alone there if `if_same`."""

    body: Body
    shortcut: Body | None
    if_same: bool
    span: Span


Step: TypeAlias = OperationStep | BlockStep | SkipStep
Body: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class BlockDefinition:
    """`parameters` with their defaults, which may speak of the parameters before them."""

    name: str
    parameters: tuple[tuple[str, Expr | None], ...]
    body: Body
    documentation: str
    span: Span


@dataclass(frozen=True, slots=True)
class Section:
    """`stem`, `head` or `layers`."""

    kind: str
    body: Body
    span: Span


@dataclass(frozen=True, slots=True)
class Stage:
    """`count` copies of a block: one with the arguments `first`, the others with `rest`."""

    block: str
    first: Bound
    rest: Bound
    count: int
    span: Span


Part: TypeAlias = Section | Stage


@dataclass(frozen=True, slots=True)
class Expectation:
    quantity: Literal["params", "macs"]
    comparison: str
    value: Number
    span: Span


@dataclass(frozen=True, slots=True)
class ResolvedNetwork:
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
