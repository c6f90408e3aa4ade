"""The content of a picture: the parts of the network in a row, and each variant of a block once."""

from __future__ import annotations

from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.ops.operation import Shape

# The lines of a tooltip.
Facts: TypeAlias = tuple[str, ...]


class OperationNode(NamedTuple):
    """`family` is the operation's family: `conv`, `norm`, …"""

    text: str
    family: str
    facts: Facts
    output: Shape | None


class BlockNode(NamedTuple):
    """A block, shown in the panel with this letter; `times` are its copies: `× 5`."""

    letter: str
    name: str
    arguments: tuple[str, ...]
    times: str
    facts: Facts
    output: Shape | None


class SkipNode(NamedTuple):
    """A body whose output is joined with its input, which may pass through a `shortcut`."""

    join: str
    body: Chain
    shortcut: Chain
    facts: Facts
    output: Shape | None


class BranchesNode(NamedTuple):
    """Branches on the same input, joined."""

    join: str
    branches: tuple[Chain, ...]
    facts: Facts
    output: Shape | None


class LoopNode(NamedTuple):
    """A repeated body; `times` is the number of iterations, `× 4`, or their range, `i = 0`."""

    body: Chain
    times: str
    facts: Facts
    output: Shape | None


class MarkNode(NamedTuple):
    """`save a`, or `from a`, which has no input."""

    text: str
    has_input: bool
    facts: Facts
    output: Shape | None


Node: TypeAlias = OperationNode | BlockNode | SkipNode | BranchesNode | LoopNode | MarkNode
# Nodes in sequence.
Chain: TypeAlias = tuple[Node, ...]


class Card(NamedTuple):
    """A section or a stage; `entered` if it takes the output of the one before it."""

    title: str
    chain: Chain
    facts: Facts
    input: Shape
    output: Shape
    entered: bool = True


class Panel(NamedTuple):
    """A variant of a block. Arguments that differ between its calls are shown as in the file; shapes that
    differ are not shown.
    """

    letter: str
    name: str
    parameters: tuple[str, ...]
    chain: Chain
    facts: Facts
    input: Shape | None
    output: Shape | None


class Figure(NamedTuple):
    """`caption` is the network's documentation in the file, `totals` its size; `has_end` if the output is
    that of the last card: otherwise nodes in the cards are the outputs.
    """

    name: str
    settings: tuple[str, ...]
    caption: str
    totals: str
    cards: tuple[Card, ...]
    panels: tuple[Panel, ...]
    has_end: bool = True


def boxes(figure: Figure) -> int:
    """The number of boxes in the picture of a figure: its cards, panels and their nodes."""
    chains = [*(card.chain for card in figure.cards), *(panel.chain for panel in figure.panels)]
    return len(chains) + sum(map(_inside, chains))


def _inside(chain: Chain) -> int:
    return sum(1 + sum(map(_inside, _chains(node))) for node in chain)


def _chains(node: Node) -> tuple[Chain, ...]:
    match node:
        case SkipNode(body=body, shortcut=shortcut):
            return (body, shortcut)
        case BranchesNode(branches=branches):
            return branches
        case LoopNode(body=body):
            return (body,)
        case _:
            return ()
