"""The typed network: shapes and costs, with one node for each distinct instance of a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.tree import steps
from netdsl.base.values import Value
from netdsl.ir.resolved import (
    BlockDefinition,
    BlockStep,
    BranchesStep,
    EachStep,
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
    part_names,
)
from netdsl.language.recipe import Labels
from netdsl.ops import Operation
from netdsl.ops.operation import Shape


@dataclass(frozen=True, slots=True)
class Cost:
    """The numbers of parameters, of multiply-accumulates for one example, and of operations."""

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
    """The values of the names in a body, including those of the enclosing bodies.

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
    """A call of a parameter; `name` is the operation or block that it holds."""

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
    """A skip connection. `same` is true if the body keeps the shape; the shortcut is only typed if it
    doesn't.

    `drop_path` is only typed if something is added.
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
    """Branches and their join. `grid` is the branch with the height and width of the join; None if they
    differ from the input's by other than strides.
    """

    step: BranchesStep
    branches: tuple[TypedBody, ...]
    grid: int | None
    output: Shape

    @property
    def cost(self) -> Cost:
        return sum((branch.cost for branch in self.branches), NOTHING)


class TypedRepeat(NamedTuple):
    """A loop, as runs of equal iterations."""

    step: RepeatStep
    runs: tuple[tuple[TypedBody, int], ...]
    output: Shape

    @property
    def times(self) -> int:
        return sum(count for _, count in self.runs)

    @property
    def cost(self) -> Cost:
        return sum((body.cost * count for body, count in self.runs), NOTHING)


class TypedEach(NamedTuple):
    """The body on each tensor in turn, which is the call of a block."""

    step: EachStep
    tensors: tuple[TypedBody, ...]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The called block, for each tensor."""
        return tuple(call.instance for body in self.tensors for call in body.steps)  # type: ignore[union-attr]

    @property
    def output(self) -> Shape:
        return self.tensors[-1].output

    @property
    def cost(self) -> Cost:
        """The cost for all tensors, whose weights are the same."""
        first, *others = (body.cost for body in self.tensors)
        return sum((replace(cost, parameters=0) for cost in others), first)


class TypedWhen(NamedTuple):
    """The chosen body: that of a case, or `otherwise`, whose number is that of the cases."""

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
    """`save` or `from`, and the shape of the current tensor after it."""

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
    | TypedEach
    | TypedWhen
    | TypedLet
    | TypedMark
)


def names_of(step: TypedStep) -> tuple[str, ...]:
    """The names of tensors that a step defines or changes."""
    match step:
        case TypedMark(SaveStep(name)):
            return (name,)
        case TypedEach(EachStep(names)):
            return names
        case _:
            return ()


class TypedBody(NamedTuple):
    steps: tuple[TypedStep, ...]
    frame: Frame
    input: Shape
    output: Shape
    cost: Cost


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A block with the values of its parameters and of `in`, on an input of one shape."""

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
    """The copies of a stage as runs of equal instances; `blocks` is the number of blocks in all stages."""

    stage: Stage
    runs: tuple[tuple[Instance, int], ...]
    blocks: int

    @property
    def cost(self) -> Cost:
        return sum((instance.cost * count for instance, count in self.runs), NOTHING)


TypedPart: TypeAlias = TypedSection | TypedStage


class TypedOutput(NamedTuple):
    """An output and its shape; the name is empty where the file gives none: the tensor at the end."""

    name: str
    shape: Shape
    in_training_only: bool = False


class TypedNetwork(NamedTuple):
    """A network with its shapes. `instances` are all distinct ones, called ones before their callers.

    The parts from number `evaluated` on run in training only; their MACs aren't in the `cost`, which is that
    of evaluation. `depth` counts convolutions and linear layers on the longest path to the first output;
    `receptive_field` is that of its last feature map, as the side of a square of input pixels.
    """

    network: ResolvedNetwork
    parts: tuple[TypedPart, ...]
    instances: tuple[Instance, ...]
    outputs: tuple[TypedOutput, ...]
    evaluated: int
    cost: Cost
    depth: int
    receptive_field: int

    @property
    def output(self) -> Shape:
        """The shape of the first output."""
        return self.outputs[0].shape

    @property
    def labels(self) -> Labels | None:
        """The labels that the first output is compared with; None without `classes`."""
        if self.network.detect:
            return "boxes"
        if self.network.classes is None:
            return None
        return "masks" if len(self.output) == 3 else "classes"

    @property
    def named_parts(self) -> Iterator[tuple[str, TypedPart]]:
        """The parts by their `part_names`."""
        resolved = [part.stage if isinstance(part, TypedStage) else part.section for part in self.parts]
        return zip(part_names(resolved), self.parts, strict=True)

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
