"""The resolved network: operations, blocks and constants are bound, units are written out, defaults and the
recipe are filled in. Shapes are not known yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.tree import map_bodies, nested
from netdsl.base.values import Value
from netdsl.diagnostics import Diagnostic
from netdsl.language.detectors import DetectorKind
from netdsl.language.expressions import Expr, Operator, Ref, references
from netdsl.language.init_rules import Whiten
from netdsl.language.recipe import Recipe
from netdsl.ops import Operation
from netdsl.ops.operation import Shape

Bound: TypeAlias = tuple[tuple[str, Expr], ...]
Join: TypeAlias = Literal["add", "concat", "mul"]


class OperationStep(NamedTuple):
    """A call of an operation, with all arguments. `last_norm` marks the last norm of a skip connection's
    body; `unit` is the span of the unit that the step belongs to.
    """

    operation: type[Operation]
    arguments: Bound
    span: Span
    label: str | None = None
    last_norm: bool = False
    unit: Span | None = None


class BlockStep(NamedTuple):
    block: str
    arguments: Bound
    span: Span
    label: str | None = None


class ParameterCallStep(NamedTuple):
    """A call of the block's parameter `holder`, which holds one of `cases`, by name.

    `shape_errors` are the errors of the call for other operations and blocks. `fallback` is the operation or
    block with the name of the parameter, which is called if the parameter holds a number.
    """

    holder: str
    cases: tuple[tuple[str, OperationStep | BlockStep], ...]
    shape_errors: tuple[tuple[str, Diagnostic], ...]
    fallback: OperationStep | BlockStep | None
    span: Span


class SkipStep(NamedTuple):
    """body(x) + x; if the body changes the shape, body(x) + shortcut(x), or with `if_same` body(x)."""

    body: Body
    shortcut: Body | None
    if_same: bool
    span: Span
    drop_path: OperationStep | None = None


class BranchesStep(NamedTuple):
    join: Join
    branches: tuple[Body, ...]
    spans: tuple[Span, ...]
    span: Span


class RepeatStep(NamedTuple):
    times: Expr
    variable: str | None
    body: Body
    span: Span


class EachStep(NamedTuple):
    """One body with the same weights on each of the saved tensors `names`, whose names then mean its results.
    The body is the call of a block. The last result becomes the current tensor.
    """

    names: tuple[str, ...]
    spans: tuple[Span, ...]
    body: Body
    span: Span


class WhenStep(NamedTuple):
    cases: tuple[tuple[Expr, Body], ...]
    otherwise: Body
    span: Span


class LetStep(NamedTuple):
    name: str
    value: Expr
    span: Span


class SaveStep(NamedTuple):
    name: str
    span: Span


class FromStep(NamedTuple):
    name: str
    span: Span


class WrongStep(NamedTuple):
    """A step with a reported error; the tensor after it is unknown, or that before it."""

    span: Span
    keeps_shape: bool = False


Step: TypeAlias = (
    OperationStep
    | BlockStep
    | ParameterCallStep
    | SkipStep
    | BranchesStep
    | RepeatStep
    | EachStep
    | WhenStep
    | LetStep
    | SaveStep
    | FromStep
    | WrongStep
)
Body: TypeAlias = tuple[Step, ...]


def names(body: Body) -> Iterator[str]:
    """The names in the expressions of a body, in textual order."""
    for node in nested(body, (ParameterCallStep, Ref, Operator)):
        if isinstance(node, ParameterCallStep):
            yield node.holder
        elif isinstance(node, (Ref, Operator)):
            yield from references(node)


class BlockDefinition(NamedTuple):
    """A block. The defaults of `parameters` can use the parameters before them.

    `key` is unique, `name` may be that of blocks in other files too.
    """

    key: str
    name: str
    parameters: tuple[tuple[str, Expr | None], ...]
    body: Body
    documentation: str
    span: Span


class Section(NamedTuple):
    """`stem`, `head` or `layers`; `name` is its own, as in `layers features { … }`."""

    kind: str
    body: Body
    span: Span
    name: str | None = None


class Stage(NamedTuple):
    """`copies` of a block: one with the arguments `first`, the others with `rest`.

    The arguments can use `in`, `index` (of the copy in the stage) and `block_index`, which is `before` for
    the first copy.
    """

    block: str
    first: Bound
    rest: Bound
    copies: int
    before: int
    span: Span
    label: str | None = None


Part: TypeAlias = Section | Stage


def part_names(parts: Sequence[Part]) -> list[str]:
    """The names of a network's parts: their labels, else `stem`, `head`, `layers`, or `layers1`, `layers2`, …
    of several. A stage without a label is `stage2` if it is the second one of all.
    """
    total = Counter(part.kind for part in parts if isinstance(part, Section) and not part.name)
    seen, names = Counter[str](), list[str]()
    for part in parts:
        kind, own = ("stage", part.label) if isinstance(part, Stage) else (part.kind, part.name)
        seen[kind] += isinstance(part, Stage) or not own
        names.append(own or (f"{kind}{seen[kind]}" if kind == "stage" or total[kind] > 1 else kind))
    return names


class NetworkOutput(NamedTuple):
    """A saved tensor that the network returns, under its name; its span is that of the name in `output`."""

    name: str
    span: Span
    in_training_only: bool


class Detect(NamedTuple):
    """Meaning of the outputs of a detector; its span is that of its name and arguments."""

    name: str
    kind: DetectorKind
    classes: int
    span: Span


class Rule(NamedTuple):
    """The initialisation of a tensor: a function of `torch.nn.init` without its last `_`, and its arguments
    by name; `pytorch` is the default of the layer.
    """

    function: str
    arguments: tuple[tuple[str, Value], ...] = ()


class Whitening(NamedTuple):
    """The rule `whiten` of the convolution with a label; `span` is that of the rule's line."""

    label: str
    rule: Whiten
    span: Span


class Init(NamedTuple):
    """A base, with rules by kind (`conv`, `depthwise`, `linear`, a norm, `bias`, `last_bn`) and by label.

    The rule of a kind is for its weights, `bias` for the biases of convolutions and linear layers. `conv`
    applies to `depthwise` too if that has no rule. Labels override kinds, `last_bn` overrides the kind of the
    norm.
    """

    base: Literal["kaiming", "pytorch"]
    kinds: tuple[tuple[str, Rule], ...] = ()
    labels: tuple[tuple[str, Rule], ...] = ()
    whitening: Whitening | None = None


Quantity: TypeAlias = Literal["params", "macs", "depth", "receptive_field", "output"]


class Expectation(NamedTuple):
    quantity: Quantity
    comparison: str
    value: Value
    span: Span


class ResolvedNetwork(NamedTuple):
    """A network. After errors it has `WrongStep`s, and its input may be unknown.

    `outputs` are those that the file names; without, the output is the tensor after the last part. They
    are scores of classes unless `detect` says otherwise. `data_span` is the span of the recipe's `data`, None
    if it isn't given or is wrong. `sound` is
    true if no error is in its layers. `class_name` is the name that the file gives to the class in
    generated code. `open_classes`: the number of classes is only in arguments of steps in sections, so that
    generated code can leave it open.
    """

    name: str
    documentation: str
    parameters: tuple[tuple[str, Value], ...]
    input: Shape
    input_span: Span
    classes: int | None
    parts: tuple[Part, ...]
    blocks: tuple[BlockDefinition, ...]
    init: Init
    recipe: Recipe
    expectations: tuple[Expectation, ...]
    span: Span
    sound: bool
    class_name: str | None = None
    open_classes: bool = False
    outputs: tuple[NetworkOutput, ...] = ()
    detect: Detect | None = None
    data_span: Span | None = None

    def block(self, key: str) -> BlockDefinition:
        return next(block for block in self.blocks if block.key == key)

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The bodies of all sections, then those of all blocks."""
        sections = (part.body for part in self.parts if isinstance(part, Section))
        return (*sections, *(block.body for block in self.blocks))

    def map_bodies(self, change: Callable[[Body], Body]) -> ResolvedNetwork:
        """The network with the body of each section and of each block changed."""
        parts = tuple(map_bodies(part, change) for part in self.parts)
        return self._replace(parts=parts, blocks=tuple(map_bodies(block, change) for block in self.blocks))
