"""A network whose shapes are known: the concrete tree of what runs, one node for each distinct instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from netdsl.ops import Operation
from netdsl.ops.base import Shape
from netdsl.resolved import (
    BlockDefinition,
    BlockStep,
    OperationStep,
    ResolvedNetwork,
    Section,
    SkipStep,
    Stage,
)
from netdsl.values import Value


@dataclass(frozen=True, slots=True)
class Cost:
    """Trainable numbers, multiply-accumulates for one example, and how many operations there are."""

    parameters: int = 0
    macs: int = 0
    operations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters, self.macs + other.macs, self.operations + other.operations
        )

    def __mul__(self, count: int) -> Cost:
        return Cost(self.parameters * count, self.macs * count, self.operations * count)


class TypedOperation(NamedTuple):
    step: OperationStep
    operation: Operation
    input: Shape
    output: Shape
    cost: Cost


class TypedCall(NamedTuple):
    step: BlockStep
    instance: Instance

    @property
    def output(self) -> Shape:
        return self.instance.output

    @property
    def cost(self) -> Cost:
        return self.instance.cost


class TypedSkip(NamedTuple):
    """`same` says whether the body keeps the shape; the shortcut is typed only where it doesn't."""

    step: SkipStep
    body: TypedBody
    shortcut: TypedBody | None
    same: bool
    output: Shape

    @property
    def cost(self) -> Cost:
        return self.body.cost + (self.shortcut.cost if self.shortcut else Cost())


TypedStep: TypeAlias = TypedOperation | TypedCall | TypedSkip


class TypedBody(NamedTuple):
    steps: tuple[TypedStep, ...]
    input: Shape
    output: Shape
    cost: Cost


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A block with the values of its parameters (and `in`), on an input of one shape."""

    block: BlockDefinition
    values: Mapping[str, Value]
    input: Shape
    body: TypedBody

    @property
    def output(self) -> Shape:
        return self.body.output

    @property
    def cost(self) -> Cost:
        return self.body.cost


class TypedSection(NamedTuple):
    section: Section
    body: TypedBody

    @property
    def cost(self) -> Cost:
        return self.body.cost


class TypedStage(NamedTuple):
    """The copies of a stage as runs of equal instances."""

    stage: Stage
    runs: tuple[tuple[Instance, int], ...]

    @property
    def cost(self) -> Cost:
        return sum((instance.cost * count for instance, count in self.runs), Cost())


TypedPart: TypeAlias = TypedSection | TypedStage


class TypedNetwork(NamedTuple):
    """`instances` holds every distinct one, inner blocks before those that call them."""

    network: ResolvedNetwork
    parts: tuple[TypedPart, ...]
    instances: tuple[Instance, ...]
    output: Shape
    cost: Cost
