"""The syntax tree: what a `.net` file says, before any name has a meaning. Every node has a span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from netdsl.source import Span
from netdsl.values import Value


@dataclass(frozen=True, slots=True)
class Word:
    """An identifier where it stands."""

    text: str
    span: Span


# --- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Choose:
    """`if condition then yes else no`."""

    condition: Expr
    yes: Expr
    no: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Apply:
    """A function call in an expression, or a recipe's `sgd(lr=0.1)`."""

    function: Word
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Expr, ...]
    span: Span


Expr: TypeAlias = Literal | Name | Unary | Binary | Choose | Apply | ListOf


@dataclass(frozen=True, slots=True)
class Argument:
    name: Word | None
    value: Expr


# --- steps ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """An operation, a block, a `unit`, or a parameter that holds one."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span
    label: Word | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    keyword: Span
    if_same: bool
    arguments: tuple[Argument, ...]
    body: Body
    shortcut: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Branches:
    join: Word
    branches: tuple[Body, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Repeat:
    keyword: Span
    count: Expr
    variable: Word | None
    body: Body
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    """`cases` in order; `otherwise` where none holds."""

    keyword: Span
    cases: tuple[tuple[Expr, Body], ...]
    otherwise: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Save:
    name: Word
    span: Span


@dataclass(frozen=True, slots=True)
class From:
    name: Word
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """A constant, of the file or of a body."""

    name: Word
    value: Expr
    span: Span


Step: TypeAlias = Call | Skip | Branches | Repeat | When | Save | From | Let


@dataclass(frozen=True, slots=True)
class Body:
    steps: tuple[Step, ...]
    span: Span


# --- statements ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    name: Word
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Network:
    name: Word
    parameters: tuple[Parameter, ...]
    documentation: str
    span: Span


@dataclass(frozen=True, slots=True)
class Input:
    shape: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Classes:
    count: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Plus:
    """The `+` of an order: where a skip connection adds."""

    span: Span


@dataclass(frozen=True, slots=True)
class Order:
    items: tuple[Call | Plus, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Default:
    calls: tuple[Call, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Section:
    """`stem`, `head` or `layers`."""

    kind: Word
    body: Body
    span: Span


@dataclass(frozen=True, slots=True)
class Stage:
    call: Call
    span: Span


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Stages:
    """A table: `header` names parameters; a `Section` among the rows is a transition."""

    block: Word
    fixed: tuple[Argument, ...]
    header: tuple[Word, ...]
    rows: tuple[Row | Section, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    name: Word
    parameters: tuple[Parameter, ...]
    body: Body
    documentation: str
    span: Span


@dataclass(frozen=True, slots=True)
class InitRule:
    key: Word
    rule: Call


@dataclass(frozen=True, slots=True)
class Init:
    base: Word | None
    rules: tuple[InitRule, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a recipe."""

    key: Word
    values: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Train:
    entries: tuple[Entry, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Expect:
    quantity: Word
    comparison: str
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Use:
    path: str
    span: Span


Statement: TypeAlias = (
    Network
    | Input
    | Classes
    | Order
    | Default
    | Let
    | Section
    | Stage
    | Stages
    | Block
    | Init
    | Train
    | Expect
    | Use
)


@dataclass(frozen=True, slots=True)
class Program:
    statements: tuple[Statement, ...]
