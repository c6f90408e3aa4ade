"""The lowered network: each block once, over its parameters, and each stage as runs of calls.

It is the same for every style of code. The span of a step that belongs to a unit is that of the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import map_bodies, steps
from netdsl.base.values import Symbol
from netdsl.ir.resolved import ResolvedNetwork
from netdsl.language.expressions import NO, Expr
from netdsl.ops import Operation
from netdsl.ops.operation import Symbolic, TorchCall, Weight


class Layer(NamedTuple):
    """An operation as torch calls; `function` is None if it does nothing.

    `last_norm` marks the last norm of a skip connection's body. `freeze` is `weight`, `bias`, yes or no.
    """

    operation: type[Operation]
    module: TorchCall
    function: TorchCall | None
    weights: tuple[Weight, ...]
    label: str | None
    span: Span
    last_norm: bool = False
    freeze: Expr = NO


class BlockCall(NamedTuple):
    """A call of a block, with the arguments that differ from its defaults, on `size` channels or features."""

    block: LoweredBlock
    size: Expr
    arguments: tuple[tuple[str, Expr], ...]
    label: str | None
    span: Span


class Skip(NamedTuple):
    """body(x) + x if `same`, else body(x) + shortcut(x), or body(x) without a shortcut.

    If something is added, `drop_path` drops the body for whole examples in training.
    """

    body: LoweredBody
    shortcut: LoweredBody | None
    same: Expr
    span: Span
    drop_path: Layer | None = None


class Branches(NamedTuple):
    """Bodies on the same input, joined by sum, along channels, or by product. An empty body is x itself."""

    join: Literal["add", "concat", "mul"]
    branches: tuple[LoweredBody, ...]
    span: Span


class Carried(NamedTuple):
    """The number of input channels of an iteration: first `start`, then `next`, which can use `name`.

    If `start` is the name itself, the variable is that of an earlier loop.
    """

    name: str
    start: Expr
    next: Expr


class Repeat(NamedTuple):
    """`times` iterations of a body, which is a chain without labels; `variable` is the index, from 0."""

    times: Expr
    variable: str | None
    carried: Carried | None
    body: LoweredBody


class When(NamedTuple):
    """The first body whose condition is true, else `otherwise`."""

    cases: tuple[tuple[Expr, LoweredBody], ...]
    otherwise: LoweredBody


class Choice(NamedTuple):
    """A call of the block's parameter `holder`: a body of one step for each operation or block it can
    hold.
    """

    holder: str
    cases: tuple[tuple[Symbol, LoweredBody], ...]


class Let(NamedTuple):
    """A constant, from here to the end of the body; its name is unique in the block."""

    name: str
    value: Expr


class Save(NamedTuple):
    """Saves the current tensor; the name is unique in the block or section."""

    name: str


class From(NamedTuple):
    """Makes a saved tensor the current one."""

    name: str


class Each(NamedTuple):
    """Makes each of these saved tensors the result of the body for it, which is the call of a block. Then the
    last is the current tensor.
    """

    names: tuple[str, ...]
    body: LoweredBody


LoweredStep: TypeAlias = (
    Layer | BlockCall | Skip | Branches | Repeat | When | Choice | Let | Save | From | Each
)
LoweredBody: TypeAlias = tuple[LoweredStep, ...]


def layers(body: LoweredBody) -> Iterator[Layer]:
    """The layers of a body at any depth, but not those of called blocks."""
    return (step for step in steps(body) if isinstance(step, Layer))


def calls(body: LoweredBody) -> Iterator[BlockCall]:
    """The calls of blocks in a body at any depth."""
    return (step for step in steps(body) if isinstance(step, BlockCall))


def place(body: LoweredBody) -> Span | None:
    """The span from the first to the last layer or call of a body; None if it has none."""
    spans = [step.span for step in steps(body) if isinstance(step, (Layer, BlockCall))]
    if not spans:
        return None
    # Steps of an order may be elsewhere.
    first, last = spans[0], spans[-1]
    return first.to(last) if first.source is last.source and first.start <= last.start else first


def is_chain(body: LoweredBody) -> bool:
    """True if the steps run one after another, without joins and saved tensors."""
    return not any(isinstance(step, (Skip, Branches, Save, From, Each)) for step in steps(body))


def decided(body: LoweredBody) -> LoweredBody:
    """The body with each choice that has a single case replaced by that case."""
    found: list[LoweredStep] = []
    for step in body:
        if isinstance(step, Choice) and len(step.cases) == 1:
            found += decided(step.cases[0][1])
        else:
            found.append(map_bodies(step, decided))
    return tuple(found)


class BlockParameter(NamedTuple):
    """A parameter of a block in generated code; `type` is its annotation, or `operation`.

    Without a `default`, every caller passes it. `named` parameters are optional in the language, or extra
    ones.
    """

    name: str
    type: str
    default: Expr | None
    named: bool


class Output(NamedTuple):
    """The output of a block: `size` over its parameters, None if it doesn't depend on them alone."""

    size: Expr | None
    is_map: bool


class LoweredBlock(NamedTuple):
    """A block in generated code. `reduction` is the factor by which height and width shrink, None if there is
    no such factor.
    """

    name: str
    documentation: str
    parameters: tuple[BlockParameter, ...]
    body: LoweredBody
    input: Symbolic
    output: Output
    reduction: Expr | None


class LoweredSection(NamedTuple):
    """A section with a unique name: its label, or `stem`, `head`, `layers`, or `layers1`, `layers2`, …"""

    name: str
    kind: str
    body: LoweredBody
    span: Span
    labelled: bool = False


class Run(NamedTuple):
    """Copies of one call; `variable` is the name of the copy's index, from 0, in the call."""

    call: BlockCall
    copies: int
    variable: str | None = None


class LoweredStage(NamedTuple):
    """A stage, with its label or `stage1`, `stage2`, … as its name."""

    name: str
    runs: tuple[Run, ...]
    span: Span
    labelled: bool = False


LoweredPart: TypeAlias = LoweredSection | LoweredStage


class LoweredOutput(NamedTuple):
    """An output: its name in the file, if it has one, and that of the saved tensor; this is empty for the
    tensor at the end.
    """

    name: str
    saved: str
    shape: tuple[int, ...]
    in_training_only: bool = False


class LoweredNetwork(NamedTuple):
    """A network to generate code from; called blocks precede their callers. The parts from number
    `evaluated` on run in training only.

    With `open_classes` the sections refer to the number of classes as `classes`, which can be an argument of
    the network.
    """

    network: ResolvedNetwork
    outputs: tuple[LoweredOutput, ...]
    evaluated: int
    blocks: tuple[LoweredBlock, ...]
    parts: tuple[LoweredPart, ...]
    open_classes: bool
