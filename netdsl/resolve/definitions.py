"""The definitions of one file: its blocks, with their keys, and its constants."""

from __future__ import annotations

from typing import TypeVar

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Label
from netdsl.language.words import STATEMENTS
from netdsl.ops import OPERATIONS
from netdsl.resolve.load_files import File
from netdsl.resolve.orders import UNIT
from netdsl.resolve.scope import check_name
from netdsl.resolve.undefined_names import STAGE_NAMES
from netdsl.syntax import nodes

S = TypeVar("S")


# Statements that define their second word.
_DEFINING = {"network", "let", "block"}
# Explanations for duplicate statements.
_FOR_ALL = {
    nodes.Order: "an order applies to the whole file: ",
    nodes.Network: "a file has one network: ",
    nodes.Init: "a file has one `init`, with any number of rules: ",
}


class Registry:
    """The blocks of all files by key. A key is the block's name, with a number if another block has the
    name.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, nodes.Block] = {}
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """A key that no block has."""
        key, number = name, 2
        while key in self._taken:
            key, number = f"{name}{number}", number + 1
        self._taken.add(key)
        return key

    def add(self, block: nodes.Block) -> str:
        key = self.free(block.name.text)
        self.blocks[key] = block
        return key


class Definitions:
    """The statements of one file, and the blocks of its own text."""

    def __init__(self, file: File, registry: Registry, diagnostics: Diagnostics) -> None:
        self.program = file.program
        self.missing = file.missing
        self._registry = registry
        self._diagnostics = diagnostics
        self.unread = {
            word
            for first, second, _ in file.program.unread
            for word in ((first,) if first in STATEMENTS.keys() - _DEFINING else (first, second))
        }
        # The blocks of the file's own text by name, with their keys.
        self.own: dict[str, str] = {}
        for block in self.of(nodes.Block):
            self._add(block)

    def _add(self, block: nodes.Block) -> None:
        name = block.name
        check_name(name, self._diagnostics)
        if name.text in OPERATIONS or name.text == UNIT:
            message = f"the block `{name.text}` has the name of an operation"
            self._diagnostics.error("NET202", message, name.span, help="rename the block")
        elif name.text in self.own:
            first = self._registry.blocks[self.own[name.text]].name.span
            self.twice(f"the block `{name.text}` is defined twice", name.span, first)
        else:
            self.own[name.text] = self._registry.add(block)

    def twice(self, message: str, span: Span, first: Span) -> None:
        """Reports a duplicate definition."""
        also = [Label(first, "first defined here")]
        self._diagnostics.error("NET202", message, span, also=also, help="rename one")

    # statements

    def of(self, kind: type[S]) -> list[S]:
        return [statement for statement in self.program.statements if isinstance(statement, kind)]

    def single(self, kind: type[S]) -> S | None:
        """The statement of a kind, each further one of which is an error."""
        found = self.of(kind)
        for again in found[1:]:
            span: Span = again.span  # type: ignore[attr-defined]
            first: Span = found[0].span  # type: ignore[attr-defined]
            also = [Label(first, "first here")]
            message = f"duplicate `{kind.__name__.lower()}`"
            self._diagnostics.error("NET106", message, span, also=also, help=_one_of(again, span, first))
        return found[0] if found else None

    # constants

    def define(
        self, definitions: dict[str, tuple[nodes.Expr, Span]], name: nodes.Word, value: nodes.Expr
    ) -> None:
        """Adds a constant of the file."""
        check_name(name, self._diagnostics)
        if name.text in STAGE_NAMES:
            message = f"`{name.text}` is reserved for the arguments of stages"
            self._diagnostics.error("NET202", message, name.span, help="choose another name")
        elif name.text in definitions:
            self.twice(f"`{name.text}` is defined twice", name.span, definitions[name.text][1])
        definitions.setdefault(name.text, (value, name.span))


def _one_of(again: object, span: Span, first: Span) -> str:
    """The help for a duplicate statement."""
    line = first.source.position(first.start)[0]
    if span.text.split() == first.text.split():
        return f"remove this one: it equals line {line}"
    if isinstance(again, nodes.Train):
        return f"move its keys into the `train` of line {line}"
    return f"{_FOR_ALL.get(type(again), '')}remove this one or the one in line {line}"
