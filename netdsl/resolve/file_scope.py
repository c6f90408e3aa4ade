"""Resolves one file: its blocks, and the standard blocks as it sees them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from netdsl.base.names import is_module, numbered
from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label, add_line, remove, write
from netdsl.ir.resolved import BlockDefinition
from netdsl.language.words import STAGE_NAMES
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name
from netdsl.resolve.bindings import Definitions, FileNames
from netdsl.resolve.calls import Blocks, CallResolver
from netdsl.resolve.counts import Counts
from netdsl.resolve.defaults import read_defaults
from netdsl.resolve.orders import UNIT, Order, check_order, default_order
from netdsl.resolve.scope import Scope, check_name
from netdsl.resolve.steps import StepResolver
from netdsl.syntax import nodes

S = TypeVar("S")

# Explanations for duplicate statements.
_FOR_ALL = {
    nodes.Order: "an order applies to the whole file: ",
    nodes.Network: "a file has one network: ",
    nodes.Detect: "the outputs have one meaning: ",
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
        key = next(key for key in numbered(name) if key not in self._taken)
        self._taken.add(key)
        return key

    def add(self, blocks: Iterable[nodes.Block]) -> dict[str, str]:
        """Adds blocks, and returns their keys by name; of two of the same name, that of the first."""
        keys: dict[str, str] = {}
        for block in blocks:
            key = self.free(block.name.text)
            self.blocks[key] = block
            keys.setdefault(block.name.text, key)
        return keys


def statements(program: nodes.Program, kind: type[S]) -> list[S]:
    return [statement for statement in program.statements if isinstance(statement, kind)]


class FileScope:
    """Resolves the names of one file.

    `keys` are those of the blocks of each text. A block of the file, or of one that it uses, overrides the
    standard block of the same name. `values` returns the operations and blocks that any expression of the
    network's files names.
    """

    def __init__(
        self,
        names: FileNames,
        keys: Mapping[Definitions, Mapping[str, str]],
        overrides: Mapping[str, nodes.Expr],
        values: Callable[[], Collection[str]],
        registry: Registry,
        diagnostics: Diagnostics,
    ) -> None:
        self.names, self._registry, self._diagnostics = names, registry, diagnostics
        self._check_definitions()
        own = keys[names.own]
        known = {name: key for text in (*names.used[::-1], names.own) for name, key in keys[text].items()}
        standard = statements(names.standard.program, nodes.Block)
        added = registry.add(block for block in standard if block.name.text not in known)
        self._own = [*own.values(), *added.values()]
        known |= added
        self.known: Mapping[str, str] = {n: key for n, key in known.items() if n not in names.own.unknown}
        # True if no definition that the shapes of the network may depend on has an error.
        self.sound = not names.own.duplicates
        self.scope = Scope(names, self.known, overrides, diagnostics)
        program = names.own.program
        defaults = read_defaults(
            (call for default in statements(program, nodes.Default) for call in default.calls), diagnostics
        )
        blocks = Blocks(registry.blocks, self.known, values)
        self.calls = CallResolver(self.scope, blocks, defaults, diagnostics)
        self.order = self._order()
        self.counts = Counts(self.scope, diagnostics)
        self.steps = StepResolver(self.scope, self.calls, self.order, self.counts, registry.free, diagnostics)

    def single(self, kind: type[S]) -> S | None:
        """The statement of a kind, each further one of which is an error."""
        found = statements(self.names.own.program, kind)
        for again in found[1:]:
            span: Span = again.span  # type: ignore[attr-defined]
            first: Span = found[0].span  # type: ignore[attr-defined]
            self.sound = False
            message = f"duplicate `{kind.__name__.lower()}`"
            also = [Label(first, "first here")]
            self._diagnostics.error(
                "duplicate-statement", message, span, also=also, help=_one_of(again, found[0], span, first)
            )
        return found[0] if found else None

    def block_definitions(self) -> list[BlockDefinition]:
        """The file's blocks, and the standard ones as it sees them."""
        for name in self.names.constants:
            self.scope.constant(name)
        return [self._block(key, self._registry.blocks[key]) for key in self._own]

    def _block(self, key: str, block: nodes.Block) -> BlockDefinition:
        parameters = []
        seen: set[str] = set()
        for name, default, declared in block.parameters:
            if name.text == "in":
                message = "`in` can't be a parameter: it is the size of the block's input"
                help = "leave it out, here and in the calls"
                self._diagnostics.error("NET202", message, name.span, help=help)
                continue
            check_name(name, self._diagnostics)
            if name.text in seen:
                message = f"duplicate parameter `{name.text}`"
                self._diagnostics.error("NET202", message, name.span, help="rename one")
            seen.add(name.text)
            if declared:
                message = "only the parameters of a network can declare their values"
                place = declared[0].span.to(declared[-1].span)
                before = default.span if default else name.span
                end = place.source.text.index("]", place.end) + 1
                edit = Edit(Span(place.source, before.end, end), "")
                self._diagnostics.error("NET106", message, place, help=Fix("leave `in […]` out", (edit,)))
            value = default and self.scope.held(name, default)
            parameters.append((name.text, value))
        body = self.steps.block(block.body, key)
        return BlockDefinition(
            key, block.name.text, tuple(parameters), body, block.documentation, block.name.span
        )

    # definitions

    def _check_definitions(self) -> None:
        for symbol in self.names.own.symbols:
            word = nodes.Word(symbol.name, symbol.span)
            if symbol.kind in ("network", "block") or symbol.is_constant:
                check_name(word, self._diagnostics)
            if symbol.kind == "network" and is_module(symbol.name):
                message = f"`{symbol.name}` is a Python module, which `{symbol.name}.py` would shadow"
                renamed = write(symbol.span, f"my_{symbol.name}", safe=False)
                self._diagnostics.error("NET204", message, symbol.span, help=renamed)
            if symbol.kind == "block" and (symbol.name in OPERATIONS or symbol.name == UNIT):
                message = f"the block `{symbol.name}` has the name of an operation"
                self._diagnostics.error("NET202", message, symbol.span, help="rename the block")
            elif symbol.is_constant and symbol.name in STAGE_NAMES:
                message = f"`{symbol.name}` is reserved for the arguments of stages"
                self._diagnostics.error("NET202", message, symbol.span, help="choose another name")
        for again, first in self.names.own.duplicates:
            kind = "the block " if again.kind == "block" else ""
            taken = {symbol.name for symbol in self.names.own.symbols}
            new = next(name for name in numbered(again.name) if name not in taken)
            fix = replace(write(again.span, new, safe=False), title=f"rename one, as `{new}`")
            if again.whole.text.split() == first.whole.text.split():
                fix = remove(again.whole, "remove one")
            self._twice(f"{kind}`{again.name}` is defined twice", again.span, first.span, fix)
        known = dict(self.names.own.blocks)
        places: dict[str, Span] = {}
        for other, place in zip(self.names.used, self.names.uses, strict=True):
            for name, block in other.blocks.items():
                first = known.setdefault(name, block)
                if first is not block:
                    message = f"`use` brings in a second block `{name}`"
                    self._twice(message, place, places.get(name, first.span))
                places.setdefault(name, place)

    def _twice(self, message: str, span: Span, first: Span, help: Help = "rename one") -> None:
        also = [Label(first, "first defined here")]
        self._diagnostics.error("NET202", message, span, also=also, help=help)

    def _order(self) -> Order:
        order = self.single(nodes.Order)
        if order and check_order(order, self._diagnostics):
            return order.items
        if order is None and not any(found.kind == "order" for found in self.names.own.program.unread):
            return default_order()
        self.sound = False
        # In place of a wrong order, one that has no `+`.
        return tuple(item for item in default_order() if isinstance(item, nodes.Call))


def _one_of(again: object, before: object, span: Span, first: Span) -> Help:
    """The help for a duplicate statement."""
    line = first.source.position(first.start)[0]
    if span.text.split() == first.text.split():
        return remove(span, f"remove this one: it equals line {line}")
    if isinstance(again, nodes.Train) and isinstance(before, nodes.Train) and before.entries:
        lines = [entry.span.text for entry in again.entries]
        moved = add_line(before.entries[-1].span, "\n  ".join(lines)).edits
        return Fix(f"move its keys into the `train` of line {line}", (*remove(span).edits, *moved))
    return f"{_FOR_ALL.get(type(again), '')}remove this one or the one in line {line}"


def values_of(files: Mapping[str, FileScope], extra: Collection[nodes.Expr]) -> frozenset[str]:
    """The operations and blocks (by key) that any expression of the files names."""
    found = set()
    for file in files.values():
        for name in names_in([*file.names.own.program.statements, *extra]):
            if name in file.known:
                found.add(file.known[name])
            elif (own := name if name in OPERATIONS else own_name(name)) in OPERATIONS:
                # Names of other libraries too, so that calls of the parameter aren't reported as well.
                found.add(own)
    return frozenset(found)


def names_in(node: object) -> Iterator[str]:
    """The names in the expressions of a tree; a text may be one in quotes, which is an error."""
    for found in nested(node, (nodes.Name, nodes.Literal)):
        match found:
            case nodes.Name(name) | nodes.Literal(str(name)):
                yield name
