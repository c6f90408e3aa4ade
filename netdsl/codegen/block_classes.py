"""The classes and functions of blocks in the styles that have modules."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.module_init import ModuleInit, Special
from netdsl.codegen.module_writer import ModuleWriter, X
from netdsl.codegen.names import RESERVED, Names
from netdsl.codegen.operation_parameters import torch_classes
from netdsl.codegen.prune import pruned
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.signatures import BlockScope, Signature, block_scope
from netdsl.codegen.template_models import ClassView, FunctionView, block_documentation
from netdsl.ir.lowered import LoweredBlock, LoweredBody, LoweredNetwork


class Classes:
    """Writes what makes the blocks of one network; each before those that call it."""

    def __init__(self, network: LoweredNetwork, names: Names) -> None:
        self._held = torch_classes(network)
        self._initialisation = ModuleInit(network, names)
        self._constructors: dict[str, Signature] = {}
        self._special: list[tuple[str, Sequence[Special]]] = []

    @property
    def variants(self) -> tuple[ClassView, ...]:
        """Classes of layers that torch doesn't tell apart, but the rules of initialisation do."""
        text = "A class of its own: its weights start differently."
        return tuple(
            ClassView(name, (text,), (), (), (), base) for name, base in self._initialisation.variants.items()
        )

    def is_plain(self, body: LoweredBody) -> bool:
        """Whether a body can be one module, all of whose steps have no names and no rules of their own."""
        return self.maker(self.scope()).is_plain(body)

    def maker(self, scope: Scope) -> SequentialBuilder:
        held = bool(self._held)
        return SequentialBuilder(self._constructors, scope, self._initialisation, held=held)

    def scope(self, *names: str) -> Scope:
        """A scope outside of blocks."""
        taken = RESERVED.union(names, (own.name for own in self._constructors.values()))
        return Scope(taken=taken, classes=self._held)

    def of_block(self, block: LoweredBlock, name: str) -> ClassView:
        own = self._block_scope(block)
        writer = ModuleWriter(self.maker(own.scope()), [block.body])
        forward = writer.forward(writer.steps(block.body, X, "x"))
        setup = pruned(writer.maker.setup)
        signature = self._constructors[block.name] = own.signature(name, setup)
        self._special.append((name, writer.special))
        documentation = block_documentation(block, own.scope())
        return ClassView(name, documentation, tuple(own.parameters(signature)), setup, forward)

    def function(self, block: LoweredBlock, name: str) -> FunctionView:
        """A block that is a chain as a function that makes an `nn.Sequential`."""
        own = self._block_scope(block)
        maker = self.maker(own.scope())
        made = maker.chain(block.body, sequential=True)
        body = pruned((*maker.setup, py.Return(made)))
        signature = self._constructors[block.name] = own.signature(name, body)
        documentation = block_documentation(block, own.scope())
        return FunctionView(name, documentation, tuple(own.parameters(signature)), body)

    def of_section(self, body: LoweredBody, name: str, title: str) -> ClassView:
        """A section as a class of its own."""
        writer = ModuleWriter(self.maker(self.scope(name)), [body])
        forward = writer.forward(writer.steps(body, X, "x"))
        self._special.append((name, writer.special))
        return ClassView(name, (f"The section {title}.",), (), pruned(writer.maker.setup), forward)

    def initialised(self, model: str, module: str, own: Sequence[Special]) -> tuple[py.Statement, ...]:
        """Statements that initialise the `model` after it is made; `own` is what stands in itself."""
        return self._initialisation.statements(model, module, own, self._special)

    def _block_scope(self, block: LoweredBlock) -> BlockScope:
        called = {name: (own.name,) for name, own in self._constructors.items()}
        return block_scope(block, called, self._held)
