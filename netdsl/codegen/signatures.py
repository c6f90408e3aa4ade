"""The parameters of the functions and classes of blocks, and calls of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from netdsl.base.named_tuple import NamedTuple
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.names import RESERVED, Names
from netdsl.codegen.operation_parameters import OPERATION
from netdsl.codegen.prune import reads
from netdsl.codegen.template_models import ParameterView
from netdsl.ir.lowered import BlockCall, LoweredBlock, calls
from netdsl.language.expressions import Const

# With more required arguments, a call gives them by name.
_MOST_POSITIONAL = 2


class Signature(NamedTuple):
    """A function or class of a block: its name, the names of the block's parameters in it, and those of them,
    and `in`, that it takes. `state` are parameters that all callers have under the same names.
    """

    name: str
    names: Mapping[str, str]
    takes: frozenset[str]
    state: tuple[str, ...] = ()


class BlockScope(NamedTuple):
    """The names of a block's parameters in all of its functions; none hides a function that it calls."""

    block: LoweredBlock
    names: Mapping[str, str]
    size_name: str
    taken: frozenset[str]
    classes: Mapping[str, str]

    def scope(self) -> Scope:
        """A scope for one function."""
        held = {parameter.name for parameter in self.block.parameters if parameter.type == OPERATION}
        return Scope(self.names, self.size_name, self.taken, held, self.classes)

    def signature(
        self, name: str, statements: Sequence[py.Statement], state: Collection[str] = ()
    ) -> Signature:
        """The signature of a function with these statements; `state` are its other possible parameters."""
        read = set(reads(tuple(statements)))
        takes = {own for own, called in self.names.items() if called in read}
        if self.size_name in read:
            takes.add("in")
        return Signature(
            name, self.names, frozenset(takes), tuple(shared for shared in state if shared in read)
        )

    def parameters(self, signature: Signature) -> Iterator[ParameterView]:
        """The parameters that a function takes, the size of its input first."""
        if "in" in signature.takes:
            yield ParameterView(self.size_name, "int")
        scope = self.scope()
        for parameter in self.block.parameters:
            if parameter.name in signature.takes:
                held = parameter.type == OPERATION
                annotation = ("type[nn.Module]" if self.classes else "str") if held else parameter.type
                default = parameter.default
                shown = None
                if isinstance(default, Const):
                    shown = py.show(scope.held(default) if held else scope(default))
                yield ParameterView(self.names[parameter.name], annotation, shown)


def block_scope(
    block: LoweredBlock,
    called: Mapping[str, Collection[str]],
    classes: Mapping[str, str],
    reserved: frozenset[str] = RESERVED,
) -> BlockScope:
    """`called` are the names of the functions or the class of each block."""
    taken = reserved.union(*(called[call.block.name] for call in calls(block.body)))
    names = Names(taken)
    size_name = "in_channels" if block.input.is_map else "in_features"
    own = {parameter.name: names.free(parameter.name) for parameter in block.parameters}
    return BlockScope(block, own, size_name, taken, classes)


def call_of(
    signature: Signature, call: BlockCall, scope: Scope, first: tuple[py.Expression, ...] = ()
) -> py.Call:
    """A call with `first`, then the state, the size of the input, required arguments by position if they
    are few, the others by name.
    """
    given = dict(call.arguments)
    chosen = [p for p in call.block.parameters if p.name in given and p.name in signature.takes]
    size = (scope(call.size),) if "in" in signature.takes else ()
    values = {p.name: (scope.held if p.type == OPERATION else scope)(given[p.name]) for p in chosen}
    required = [p for p in chosen if not p.named]
    by_position = required if len(required) <= _MOST_POSITIONAL else []
    positional = tuple(values[p.name] for p in by_position)
    named = tuple((signature.names[p.name], values[p.name]) for p in chosen if p not in by_position)
    return py.Call(
        signature.name, (*first, *map(py.Name, signature.state), *size, *positional), named, call.span
    )
