"""A network whose shapes are known: the concrete tree of what runs, one node for each distinct instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from netdsl.base.tree import steps
from netdsl.base.values import Value
from netdsl.ir.resolved import (
    BlockDefinition,
    BlockStep,
    BranchesStep,
    FromStep,
    LetStep,
    OperationStep,
    ParameterCallStep,
    RepeatStep,
    ResolvedNetwork,
    SaveStep,
    Section,
    SkipStep,
    Stage,
    WhenStep,
)
from netdsl.ops import Operation
from netdsl.ops.operation import Shape


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


NOTHING = Cost()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The values that names have in one run of a body: those of the enclosing bodies too.

    `root` is the frame of the block or section.
    """

    values: Mapping[str, Value]
    parent: Frame | None = None

    @property
    def root(self) -> Frame:
        return self if self.parent is None else self.parent.root


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


class TypedParameterCall(NamedTuple):
    """`name` is what the parameter holds here."""

    step: ParameterCallStep
    name: str
    call: TypedOperation | TypedCall

    @property
    def output(self) -> Shape:
        return self.call.output

    @property
    def cost(self) -> Cost:
        return self.call.cost


class TypedSkip(NamedTuple):
    """`same` says whether the body keeps the shape; the shortcut is typed only where it doesn't.

    `drop_path` is there where something is added.
    """

    step: SkipStep
    body: TypedBody
    shortcut: TypedBody | None
    same: bool
    drop_path: TypedOperation | None
    output: Shape

    @property
    def cost(self) -> Cost:
        return self.body.cost + (self.shortcut.cost if self.shortcut else NOTHING)


class TypedBranches(NamedTuple):
    """`grid` is the branch whose height and width are those of the join; None where they aren't a stride
    of the input's.
    """

    step: BranchesStep
    branches: tuple[TypedBody, ...]
    grid: int | None
    output: Shape

    @property
    def cost(self) -> Cost:
        return sum((branch.cost for branch in self.branches), NOTHING)


class TypedRepeat(NamedTuple):
    """The iterations as runs of equal ones."""

    step: RepeatStep
    runs: tuple[tuple[TypedBody, int], ...]
    output: Shape

    @property
    def times(self) -> int:
        return sum(count for _, count in self.runs)

    @property
    def cost(self) -> Cost:
        return sum((body.cost * count for body, count in self.runs), NOTHING)


class TypedWhen(NamedTuple):
    """The body that was chosen: that of a case, or the one after them."""

    step: WhenStep
    chosen: int
    body: TypedBody

    @property
    def output(self) -> Shape:
        return self.body.output

    @property
    def cost(self) -> Cost:
        return self.body.cost


class TypedLet(NamedTuple):
    step: LetStep
    value: Value
    output: Shape
    cost: Cost = NOTHING


class TypedMark(NamedTuple):
    """`save` or `from`, and the shape of the tensor that is current after it."""

    step: SaveStep | FromStep
    output: Shape
    cost: Cost = NOTHING


TypedStep: TypeAlias = (
    TypedOperation
    | TypedCall
    | TypedParameterCall
    | TypedSkip
    | TypedBranches
    | TypedRepeat
    | TypedWhen
    | TypedLet
    | TypedMark
)


class TypedBody(NamedTuple):
    steps: tuple[TypedStep, ...]
    frame: Frame
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
    def frame(self) -> Frame:
        return self.body.frame

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
    """The copies of a stage as runs of equal instances; `blocks` is how many blocks all stages have."""

    stage: Stage
    runs: tuple[tuple[Instance, int], ...]
    blocks: int

    @property
    def cost(self) -> Cost:
        return sum((instance.cost * count for instance, count in self.runs), NOTHING)


TypedPart: TypeAlias = TypedSection | TypedStage


class TypedNetwork(NamedTuple):
    """`instances` holds every distinct one, inner blocks before those that call them.

    `depth` counts convolutions and linear layers on the longest path; `receptive_field` is the side, in
    pixels of the input, of what one position of the last feature map sees.
    """

    network: ResolvedNetwork
    parts: tuple[TypedPart, ...]
    instances: tuple[Instance, ...]
    output: Shape
    cost: Cost
    depth: int
    receptive_field: int

    @property
    def bodies(self) -> tuple[TypedBody, ...]:
        """The bodies of all sections, then those of all instances."""
        sections = (part.body for part in self.parts if isinstance(part, TypedSection))
        return (*sections, *(instance.body for instance in self.instances))


def body_operations(body: TypedBody) -> Iterator[TypedOperation]:
    """The operations of a body, without those of the blocks that it calls."""
    for step in steps(body):
        held = step.call if isinstance(step, TypedParameterCall) else step
        if isinstance(held, TypedOperation):
            yield held


def operations(typed: TypedNetwork) -> Iterator[TypedOperation]:
    """The operations of a network; those of equal blocks once."""
    for body in typed.bodies:
        yield from body_operations(body)
