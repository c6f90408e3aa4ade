"""What a picture of a network shows: the parts of the network in a row, and each kind of block once."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from netdsl.ops.operation import Shape

# What is said of a thing when one points at it, line by line.
Facts: TypeAlias = tuple[str, ...]


class OperationNode(NamedTuple):
    """`family` is the one that the operation belongs to: `conv`, `norm`, …"""

    text: str
    family: str
    facts: Facts
    output: Shape | None


class BlockNode(NamedTuple):
    """A block, which the panel with this letter shows; `times` are the copies: `× 5`."""

    letter: str
    name: str
    arguments: tuple[str, ...]
    times: str
    facts: Facts
    output: Shape | None


class SkipNode(NamedTuple):
    """A body, and to its side what is joined with its output: its input, maybe through a `shortcut`."""

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
    """A body that runs `times` times: `× 4`, or in which iterations it does: `i = 0`."""

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
# One after the other.
Chain: TypeAlias = tuple[Node, ...]


class Card(NamedTuple):
    """A section or a stage."""

    title: str
    chain: Chain
    facts: Facts
    input: Shape
    output: Shape


class Panel(NamedTuple):
    """One form of a block. What differs between its calls is shown by its name in the file; a shape that
    differs isn't shown.
    """

    letter: str
    name: str
    parameters: tuple[str, ...]
    chain: Chain
    facts: Facts
    input: Shape | None
    output: Shape | None


class Figure(NamedTuple):
    """`caption` is what the file says of the network, `totals` its size."""

    name: str
    settings: tuple[str, ...]
    caption: str
    totals: str
    cards: tuple[Card, ...]
    panels: tuple[Panel, ...]


def boxes(figure: Figure) -> int:
    """How many boxes the picture of a figure has: its cards, panels and what stands in them."""
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
