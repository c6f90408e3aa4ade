"""The syntax tree of a `.net` file, before names are resolved.

Named tuples, since they are made so much faster than dataclasses when the module is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from netdsl.base import tree
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Value


class Word(NamedTuple):
    """An identifier with its place."""

    text: str
    span: Span


# --- expressions ---------------------------------------------------------------------------------


class Literal(NamedTuple):
    value: Value
    span: Span


class Name(NamedTuple):
    name: str
    span: Span


class Unary(NamedTuple):
    operator: str
    operand: Expr
    span: Span


class Binary(NamedTuple):
    operator: str
    left: Expr
    right: Expr
    span: Span


class Choose(NamedTuple):
    """`if condition then yes else no`."""

    condition: Expr
    yes: Expr
    no: Expr
    span: Span


class Apply(NamedTuple):
    """A function call in an expression, or a recipe's `sgd(lr=0.1)`."""

    function: Word
    arguments: tuple[Argument, ...]
    span: Span


class ListOf(NamedTuple):
    items: tuple[Expr, ...]
    span: Span


Expr: TypeAlias = Literal | Name | Unary | Binary | Choose | Apply | ListOf


class Argument(NamedTuple):
    """`column` has the cells of its column, for a cell of a table."""

    name: Word | None
    value: Expr
    column: tuple[Span, ...] = ()

    @property
    def span(self) -> Span:
        return self.name.span.to(self.value.span) if self.name else self.value.span


# --- steps ---------------------------------------------------------------------------------------


class Call(NamedTuple):
    """An operation, a block, a `unit`, or a parameter that holds one."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span
    label: Word | None = None


class Skip(NamedTuple):
    keyword: Span
    if_same: bool
    arguments: tuple[Argument, ...]
    body: Body
    shortcut: Body | None
    span: Span


class Branches(NamedTuple):
    join: Word
    branches: tuple[Body, ...]
    span: Span


class Repeat(NamedTuple):
    keyword: Span
    times: Expr
    variable: Word | None
    body: Body
    span: Span


class Each(NamedTuple):
    keyword: Span
    names: tuple[Word, ...]
    body: Body
    span: Span


class When(NamedTuple):
    """`cases` in order; `otherwise` where none holds."""

    keyword: Span
    cases: tuple[tuple[Expr, Body], ...]
    otherwise: Body | None
    span: Span


class Save(NamedTuple):
    name: Word
    span: Span


class From(NamedTuple):
    name: Word
    span: Span


class Let(NamedTuple):
    """A constant, of the file or of a body."""

    name: Word
    value: Expr
    span: Span


class Default(NamedTuple):
    """Default arguments of operations, of the file or of a block."""

    calls: tuple[Call, ...]
    span: Span


class Unread(NamedTuple):
    """A part of the text that can't be parsed: a statement with its first two words as `kind` and `name`, or
    a step with the `let`, `save` or label that it would define.
    """

    kind: str
    name: str
    span: Span


Step: TypeAlias = Call | Skip | Branches | Repeat | Each | When | Save | From | Let | Default | Unread


class Body(NamedTuple):
    steps: tuple[Step, ...]
    span: Span


def calls(steps: Iterable[Step]) -> Iterator[Call]:
    """The calls among steps, at any depth."""
    return (step for step in tree.steps(steps) if isinstance(step, Call))


# --- statements ----------------------------------------------------------------------------------


class Parameter(NamedTuple):
    """A parameter of a block or network; `values` are those that a network's declares."""

    name: Word
    default: Expr | None
    values: tuple[Expr, ...] = ()

    @property
    def span(self) -> Span:
        """Its name and default."""
        return self.name.span.to(self.default.span) if self.default else self.name.span

    def __str__(self) -> str:
        """As a file has it: `depth=18 in [18, 34]`."""
        values = f" in [{', '.join(value.span.text for value in self.values)}]" if self.values else ""
        return self.span.text + values


class Network(NamedTuple):
    """`class_name` is what follows `as`."""

    name: Word
    parameters: tuple[Parameter, ...]
    documentation: str
    span: Span
    class_name: Word | None = None


class Variant(NamedTuple):
    """Another name of the network, with values of its parameters, and of the `input`."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span


class Input(NamedTuple):
    shape: Expr
    span: Span


class Classes(NamedTuple):
    number: Expr
    span: Span


class Plus(NamedTuple):
    """The `+` of an order: where a skip connection adds."""

    span: Span


class Order(NamedTuple):
    items: tuple[Call | Plus, ...]
    span: Span


class Section(NamedTuple):
    """`stem`, `head` or `layers`, and its own name where it has one: `layers features { … }`."""

    kind: Word
    body: Body
    span: Span
    name: Word | None = None


class Stage(NamedTuple):
    call: Call
    span: Span


class Row(NamedTuple):
    cells: tuple[Expr, ...]
    span: Span


class Stages(NamedTuple):
    """A table: `header` names parameters; a `Section` among the rows is a transition."""

    block: Word
    fixed: tuple[Argument, ...]
    header: tuple[Word, ...]
    rows: tuple[Row | Section | Unread, ...]
    span: Span


class Block(NamedTuple):
    name: Word
    parameters: tuple[Parameter, ...]
    body: Body
    documentation: str
    span: Span


class Output(NamedTuple):
    """`output a, b when training`: saved tensors that the network returns, in order."""

    names: tuple[Word, ...]
    condition: Expr | None
    span: Span


class Detect(NamedTuple):
    """`detect yolo(anchors=[32x32])`: what the outputs of a detector mean."""

    kind: Call
    span: Span


class InitRule(NamedTuple):
    key: Word
    rule: Call


class Init(NamedTuple):
    base: Word | None
    rules: tuple[InitRule | Unread, ...]
    span: Span


class Entry(NamedTuple):
    """One line of a recipe."""

    key: Word
    values: tuple[Expr, ...]
    span: Span


class Train(NamedTuple):
    entries: tuple[Entry | Unread, ...]
    span: Span


class Expect(NamedTuple):
    quantity: Word
    comparison: str
    value: Expr
    span: Span


class Use(NamedTuple):
    path: str
    span: Span


Statement: TypeAlias = (
    Network
    | Variant
    | Input
    | Classes
    | Order
    | Default
    | Let
    | Section
    | Stage
    | Stages
    | Block
    | Output
    | Detect
    | Init
    | Train
    | Expect
    | Use
    | Unread
)


class Program(NamedTuple):
    statements: tuple[Statement, ...]

    @property
    def unread(self) -> list[Unread]:
        """The statements that can't be parsed."""
        return [statement for statement in self.statements if isinstance(statement, Unread)]
