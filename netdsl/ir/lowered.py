"""A network ready to be written as code, still hierarchical: a block is lowered once, over its
parameters, and a stage is runs of calls. The same for every output style. A span is where a step stands:
of what a unit is made of, the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from netdsl.base.source import Span
from netdsl.base.tree import map_bodies, steps
from netdsl.base.values import Symbol
from netdsl.ir.resolved import ResolvedNetwork
from netdsl.language.expressions import NO, Expr
from netdsl.ops import Operation
from netdsl.ops.operation import Symbolic, TorchCall, Weight


class Layer(NamedTuple):
    """An operation as the torch calls that it stands for; `function` is None where it does nothing.

    `last_norm`: it is the last norm of a skip connection's body. `freeze` is `weight`, `bias`, yes or no.
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
    """A block with its arguments (those that differ from its defaults) on `size` channels or features."""

    block: LoweredBlock
    size: Expr
    arguments: tuple[tuple[str, Expr], ...]
    label: str | None
    span: Span


class Skip(NamedTuple):
    """body(x) + x where `same` holds, else body(x) + shortcut(x), or body(x) alone without a shortcut.

    Where something is added, `drop_path` drops the body for whole examples in training.
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
    """The number of channels that enter an iteration: `start`, then `next`, which may speak of `name`."""

    name: str
    start: Expr
    next: Expr


class Repeat(NamedTuple):
    """`times` iterations of a body that is a chain without labels; `variable` counts them from 0."""

    times: Expr
    variable: str | None
    carried: Carried | None
    body: LoweredBody


class When(NamedTuple):
    """The first body whose condition holds, else `otherwise`."""

    cases: tuple[tuple[Expr, LoweredBody], ...]
    otherwise: LoweredBody


class Choice(NamedTuple):
    """What the block's parameter `holder` holds: a body of one step for each that it is in this place."""

    holder: str
    cases: tuple[tuple[Symbol, LoweredBody], ...]


class Let(NamedTuple):
    """A constant of a body, known from here to the body's end; its name is the only one of the block."""

    name: str
    value: Expr


class Save(NamedTuple):
    """Names the current tensor; the name is the only one of the block or section."""

    name: str


class From(NamedTuple):
    """Goes back to a saved tensor."""

    name: str


LoweredStep: TypeAlias = Layer | BlockCall | Skip | Branches | Repeat | When | Choice | Let | Save | From
LoweredBody: TypeAlias = tuple[LoweredStep, ...]


def layers(body: LoweredBody) -> Iterator[Layer]:
    """The layers of a body at any depth, but not those of called blocks."""
    return (step for step in steps(body) if isinstance(step, Layer))


def calls(body: LoweredBody) -> Iterator[BlockCall]:
    """The calls of blocks in a body at any depth."""
    return (step for step in steps(body) if isinstance(step, BlockCall))


def place(body: LoweredBody) -> Span | None:
    """Where the layers and calls of a body stand, from the first to the last; None where it has none."""
    spans = [step.span for step in steps(body) if isinstance(step, (Layer, BlockCall))]
    if not spans:
        return None
    # What a parameter holds may stand in an order, and that elsewhere.
    first, last = spans[0], spans[-1]
    return first.to(last) if first.source is last.source and first.start <= last.start else first


def is_chain(body: LoweredBody) -> bool:
    """Whether the steps run one after another, with no join and no way back among them."""
    return not any(isinstance(step, (Skip, Branches, Save, From)) for step in steps(body))


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

    Without a `default` every caller gives it; `named` ones have a default in the language, or none there.
    """

    name: str
    type: str
    default: Expr | None
    named: bool


class Output(NamedTuple):
    """What a block gives: `size` in the block's parameters, None where they don't tell it."""

    size: Expr | None
    is_map: bool


class LoweredBlock(NamedTuple):
    """`reduction` is how many times smaller height and width get, None where that is no simple stride."""

    name: str
    documentation: str
    parameters: tuple[BlockParameter, ...]
    body: LoweredBody
    input: Symbolic
    output: Output
    reduction: Expr | None


class LoweredSection(NamedTuple):
    """`name` is unique: that of the file, or `stem`, `head`, `layers`, or `layers1`, `layers2`, …"""

    name: str
    kind: str
    body: LoweredBody
    span: Span
    labelled: bool = False


class Run(NamedTuple):
    """Copies of one call; `variable` is the name by which the call speaks of a copy's number, from 0."""

    call: BlockCall
    copies: int
    variable: str | None = None


class LoweredStage(NamedTuple):
    """`name` is the label, or `stage1`, `stage2`, …"""

    name: str
    runs: tuple[Run, ...]
    span: Span
    labelled: bool = False


LoweredPart: TypeAlias = LoweredSection | LoweredStage


class LoweredNetwork(NamedTuple):
    """`blocks` come before those that call them. With `open_classes` the sections refer to the number of
    classes as `classes`: it can be an argument of the network.
    """

    network: ResolvedNetwork
    output: tuple[int, ...]
    blocks: tuple[LoweredBlock, ...]
    parts: tuple[LoweredPart, ...]
    open_classes: bool
