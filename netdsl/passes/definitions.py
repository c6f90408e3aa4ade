"""What one file defines: its blocks with their keys, its constants, its defaults and its order."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from netdsl import syntax
from netdsl.diagnostics import Diagnostics, Label
from netdsl.ops import OPERATIONS
from netdsl.passes.calls import Blocks, CallResolver, read_defaults
from netdsl.passes.orders import UNIT, Order, check_order, default_order
from netdsl.passes.scope import Scope
from netdsl.passes.steps import StepResolver
from netdsl.passes.uses import File
from netdsl.resolved import BlockDefinition
from netdsl.source import Span

S = TypeVar("S")

# Names that a stage's arguments know besides those of the file.
STAGE_NAMES = ("index", "block_index", "block_count")


class Registry:
    """The blocks of all files by key: a block's own name where no block before it has that."""

    def __init__(self) -> None:
        self.blocks: dict[str, syntax.Block] = {}
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """A key that no other block has."""
        key, number = name, 2
        while key in self._taken:
            key, number = f"{name}{number}", number + 1
        self._taken.add(key)
        return key

    def add(self, block: syntax.Block) -> str:
        key = self.free(block.name.text)
        self.blocks[key] = block
        return key


class Definitions:
    """The names of one file."""

    def __init__(self, file: File, registry: Registry, diagnostics: Diagnostics) -> None:
        self.program = file.program
        self._registry = registry
        self._diagnostics = diagnostics
        self.unread = {name for _, name in file.program.unread}
        # The blocks of the file's own text by name, with their keys.
        self.own: dict[str, str] = {}
        for block in self.of(syntax.Block):
            self._add(block)

    def _add(self, block: syntax.Block) -> None:
        name = block.name
        self.usable(name)
        if name.text in OPERATIONS or name.text == UNIT:
            message = f"`{name.text}` is an operation, and can't be a block too"
            self._diagnostics.error("NET202", message, name.span, help="rename the block")
        elif name.text in self.own:
            first = self._registry.blocks[self.own[name.text]].name.span
            self._twice(f"the block `{name.text}` is defined twice", name.span, first)
        else:
            self.own[name.text] = self._registry.add(block)

    def _twice(self, message: str, span: Span, first: Span) -> None:
        also = [Label(first, "first defined here")]
        self._diagnostics.error("NET202", message, span, also=also, help="rename one")

    # statements

    def of(self, kind: type[S]) -> list[S]:
        return [statement for statement in self.program.statements if isinstance(statement, kind)]

    def single(self, kind: type[S]) -> S | None:
        """The statement of a kind that may stand once."""
        found = self.of(kind)
        for again in found[1:]:
            span: Span = again.span  # type: ignore[attr-defined]
            first: Span = found[0].span  # type: ignore[attr-defined]
            also = [Label(first, "first here")]
            what = f"`{kind.__name__.lower()}` stands twice"
            self._diagnostics.error("NET206", what, span, also=also, help="remove one")
        return found[0] if found else None

    def usable(self, name: syntax.Word) -> None:
        """Names of the file become names in Python."""
        if keyword.iskeyword(name.text) or name.text.startswith("__") or name.text == "self":
            self._diagnostics.error(
                "NET210", f"`{name.text}` has a meaning in Python", name.span, help="choose another name"
            )

    # linking

    def link(
        self,
        used: Iterable[tuple[Definitions, Span]],
        standard: syntax.Program,
        constants: Mapping[str, tuple[syntax.Expr, Span]],
        overrides: Mapping[str, syntax.Expr],
        values: Callable[[], Collection[str]],
    ) -> None:
        """Brings in the blocks of used files and the standard ones, and resolves constants and defaults.

        A block of a file or of one that it uses takes the place of the standard block of its name.
        """
        known = dict(self.own)
        places: dict[str, Span] = {}
        for other, place in used:
            for name, key in other.own.items():
                if name in known and known[name] != key:
                    first = places.get(name, self._registry.blocks[known[name]].name.span)
                    self._twice(f"`use` brings in a second block `{name}`", place, first)
                known.setdefault(name, key)
                places.setdefault(name, place)
        own = list(self.own.values())
        for statement in standard.statements:
            if isinstance(statement, syntax.Block) and statement.name.text not in known:
                known[statement.name.text] = self._registry.add(statement)
                own.append(known[statement.name.text])
        self.known, self._keys = known, own
        self.scope = Scope(self._constants(constants), known, overrides, self._diagnostics, self.unread)
        defaults = read_defaults(
            (call for default in self.of(syntax.Default) for call in default.calls), self._diagnostics
        )
        blocks = Blocks(self._registry.blocks, known, values)
        self.calls = CallResolver(self.scope, blocks, defaults, self._diagnostics, self.unread)
        self.order = self._order()
        self.steps = StepResolver(self.scope, self.calls, self.order, self._registry.free, self._diagnostics)

    def _order(self) -> Order:
        order = self.single(syntax.Order)
        return order.items if order and check_order(order, self._diagnostics) else default_order()

    def _constants(
        self, first: Mapping[str, tuple[syntax.Expr, Span]]
    ) -> dict[str, tuple[syntax.Expr, Span]]:
        definitions = dict(first)
        for let in self.of(syntax.Let):
            self.define(definitions, let.name, let.value)
        return definitions

    def define(
        self, definitions: dict[str, tuple[syntax.Expr, Span]], name: syntax.Word, value: syntax.Expr
    ) -> None:
        """Adds a constant of the file."""
        self.usable(name)
        if name.text in STAGE_NAMES:
            message = f"`{name.text}` has a meaning in a stage's arguments"
            self._diagnostics.error("NET202", message, name.span, help="choose another name")
        elif name.text in definitions:
            self._twice(f"`{name.text}` is defined twice", name.span, definitions[name.text][1])
        definitions.setdefault(name.text, (value, name.span))

    # blocks

    def block_definitions(self) -> list[BlockDefinition]:
        """The file's blocks, and the standard ones as it sees them."""
        for name in self.scope.names():
            self.scope.constant(name)
        return [self._block(key, self._registry.blocks[key]) for key in self._keys]

    def _block(self, key: str, block: syntax.Block) -> BlockDefinition:
        local = {"in": "in"}
        parameters = []
        for parameter in block.parameters:
            self.usable(parameter.name)
            name = parameter.name.text
            if name in local:
                message = f"the parameter `{name}` stands twice"
                self._diagnostics.error("NET202", message, parameter.name.span, help="rename one")
            default = None if parameter.default is None else self.scope.expression(parameter.default, local)
            parameters.append((name, default))
            local[name] = name
        body = self.steps.body(block.body, key, local)
        return BlockDefinition(
            key, block.name.text, tuple(parameters), body, block.documentation, block.name.span
        )


def values_of(programs: Mapping[str, Definitions], extra: Collection[syntax.Expr]) -> frozenset[str]:
    """The operations and blocks (by key) that any expression of the files names."""
    found = set()
    for definitions in programs.values():
        for name in _names([*definitions.program.statements, *extra]):
            if name in definitions.known:
                found.add(definitions.known[name])
            elif name in OPERATIONS:
                found.add(name)
    return frozenset(found)


def _names(node: object) -> Iterator[str]:
    if isinstance(node, syntax.Name):
        yield node.name
    elif isinstance(node, (tuple, list)):
        for part in node:
            yield from _names(part)
