"""The names of one file: its own blocks, those of the files that it uses, and the standard blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from netdsl.base.source import Span
from netdsl.base.tree import nested
from netdsl.diagnostics import Diagnostics
from netdsl.ir.resolved import BlockDefinition
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name, own_value
from netdsl.resolve.calls import Blocks, CallResolver
from netdsl.resolve.counts import Counts
from netdsl.resolve.defaults import read_defaults
from netdsl.resolve.definitions import Definitions, Registry
from netdsl.resolve.orders import UNIT, Order, check_order, default_order
from netdsl.resolve.scope import Scope, check_name
from netdsl.resolve.steps import StepResolver
from netdsl.syntax import nodes


class FileScope:
    """Resolves the names of one file.

    `used` are the files that it uses, with the spans of the `use` statements. A block of the file, or of one
    that it uses, overrides the `standard` block of the same name. `values` returns the operations and blocks
    that any expression of the network's files names.
    """

    def __init__(
        self,
        text: Definitions,
        used: Iterable[tuple[Definitions, Span]],
        standard: nodes.Program,
        constants: Mapping[str, tuple[nodes.Expr, Span]],
        overrides: Mapping[str, nodes.Expr],
        values: Callable[[], Collection[str]],
        registry: Registry,
        diagnostics: Diagnostics,
    ) -> None:
        used = list(used)
        known = dict(text.own)
        places: dict[str, Span] = {}
        for other, place in used:
            for name, key in other.own.items():
                if name in known and known[name] != key:
                    first = places.get(name, registry.blocks[known[name]].name.span)
                    text.twice(f"`use` brings in a second block `{name}`", place, first)
                known.setdefault(name, key)
                places.setdefault(name, place)
        own = list(text.own.values())
        for statement in standard.statements:
            if isinstance(statement, nodes.Block) and statement.name.text not in known:
                known[statement.name.text] = registry.add(statement)
                own.append(known[statement.name.text])
        self.known: Mapping[str, str] = known
        self._keys, self._registry, self._diagnostics = own, registry, diagnostics
        self.text = text
        # Blocks of a file that couldn't be read are not reported as undefined.
        self.unread = text.unread | _lost(text.program, known) if text.missing else text.unread
        self.scope = Scope(
            _constants(text, constants), known, overrides, diagnostics, self.unread,
            text.program, [other.program for other, _ in used],
        )  # fmt: skip
        defaults = read_defaults(
            (call for default in text.of(nodes.Default) for call in default.calls), diagnostics
        )
        blocks = Blocks(registry.blocks, known, values)
        self.calls = CallResolver(self.scope, blocks, defaults, diagnostics, self.unread)
        self.order = _order(text, diagnostics)
        self.counts = Counts(self.scope, diagnostics)
        self.steps = StepResolver(self.scope, self.calls, self.order, self.counts, registry.free, diagnostics)

    def block_definitions(self) -> list[BlockDefinition]:
        """The file's blocks, and the standard ones as it sees them."""
        for name in self.scope.names():
            self.scope.constant(name)
        return [self._block(key, self._registry.blocks[key]) for key in self._keys]

    def _block(self, key: str, block: nodes.Block) -> BlockDefinition:
        local = {"in": "in"}
        parameters = []
        for parameter in block.parameters:
            name = parameter.name.text
            if name == "in":
                message = "`in` can't be a parameter: it is the size of the block's input"
                help = "leave it out, here and in the calls"
                self._diagnostics.error("NET202", message, parameter.name.span, help=help)
                continue
            check_name(parameter.name, self._diagnostics)
            if name in local:
                message = f"duplicate parameter `{name}`"
                self._diagnostics.error("NET202", message, parameter.name.span, help="rename one")
            written = parameter.default and self.scope.unquoted(parameter.name, parameter.default)
            default = None if written is None else self.scope.expression(written, local)
            parameters.append((name, default))
            local[name] = name
        body = self.steps.body(block.body, key, local)
        return BlockDefinition(
            key, block.name.text, tuple(parameters), body, block.documentation, block.name.span
        )


def values_of(files: Mapping[str, FileScope], extra: Collection[nodes.Expr]) -> frozenset[str]:
    """The operations and blocks (by key) that any expression of the files names."""
    found = set()
    for file in files.values():
        for name in names_in([*file.text.program.statements, *extra]):
            if name in file.known:
                found.add(file.known[name])
            elif (own := name if name in OPERATIONS else own_name(name)) in OPERATIONS:
                # Names of other libraries too, so that calls of the parameter aren't reported as well.
                found.add(own)
    return frozenset(found)


def _lost(program: nodes.Program, known: Collection[str]) -> set[str]:
    """The names that are called as blocks and are known neither here nor in other libraries."""
    names = set(_called(program)).difference(known, OPERATIONS, (UNIT,))
    return {name for name in names if not own_name(name) and own_value(name) == name}


def _called(program: nodes.Program) -> Iterator[str]:
    """The names where the program calls a block, or gives one to a parameter."""
    for node in nested(program.statements, (nodes.Call, nodes.Stages, nodes.Parameter, nodes.Argument)):
        match node:
            case nodes.Call(name=word) | nodes.Stages(block=word):
                yield word.text
            case nodes.Parameter(_, nodes.Name(name)) | nodes.Argument(nodes.Word(), nodes.Name(name)):
                yield name


def names_in(node: object) -> Iterator[str]:
    """The names in the expressions of a tree; a text may be one in quotes, which is an error."""
    for found in nested(node, (nodes.Name, nodes.Literal)):
        match found:
            case nodes.Name(name) | nodes.Literal(str(name)):
                yield name


def _order(text: Definitions, diagnostics: Diagnostics) -> Order:
    order = text.single(nodes.Order)
    if order and check_order(order, diagnostics):
        return order.items
    if order is None and not any(found.kind == "order" for found in text.program.unread):
        return default_order()
    # In place of a wrong order, one that has no `+`.
    return tuple(item for item in default_order() if isinstance(item, nodes.Call))


def _constants(
    text: Definitions, first: Mapping[str, tuple[nodes.Expr, Span]]
) -> dict[str, tuple[nodes.Expr, Span]]:
    definitions = dict(first)
    for let in text.of(nodes.Let):
        text.define(definitions, let.name, let.value)
    return definitions
