"""The classes and functions of blocks in the styles that have modules."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.module_init import ModuleInit, Special
from netdsl.codegen.module_writer import ModuleWriter, X
from netdsl.codegen.names import CONSTANTS, RESERVED, Names
from netdsl.codegen.operation_parameters import torch_classes
from netdsl.codegen.prune import pruned, reads
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.signatures import BlockScope, Signature, block_scope
from netdsl.codegen.template_models import (
    ClassView,
    FunctionView,
    ParameterView,
    block_documentation,
    open_parameters,
)
from netdsl.ir.lowered import LoweredBlock, LoweredBody, LoweredNetwork, LoweredSection

SUPER = "super().__init__"


def constructor(setup: Sequence[py.Statement]) -> tuple[py.Statement, ...]:
    """The statements of a module's `__init__`; none if it needs none."""
    kept = pruned(setup)
    return (py.Evaluate(py.Call(SUPER)), *kept) if kept else ()


class Classes:
    """Writes the classes and functions of the blocks of one network; each before those that call it."""

    def __init__(self, network: LoweredNetwork, names: Names) -> None:
        self._held = torch_classes(network)
        self._open = open_parameters(network)
        self._initialisation = ModuleInit(network, names)
        self._constructors: dict[str, Signature] = {}
        self._special: list[tuple[str, Sequence[Special]]] = []

    @property
    def variants(self) -> tuple[ClassView, ...]:
        """Subclasses for layers that are one class in torch, but are initialised differently."""
        return tuple(
            ClassView(name, (f"`{base}` with another initialisation.",), (), (), (), base)
            for name, base in self._initialisation.variants.items()
        )

    def is_plain(self, body: LoweredBody) -> bool:
        """True if a body can be one module, and its steps have no labels and no rules of initialisation."""
        return self.maker(self.scope()).is_plain(body)

    def maker(self, scope: Scope) -> SequentialBuilder:
        held = bool(self._held)
        return SequentialBuilder(self._constructors, scope, self._initialisation, held=held)

    def scope(self, *names: str) -> Scope:
        """A scope outside of blocks."""
        taken = RESERVED.union(names, (own.name for own in self._constructors.values()))
        return Scope(CONSTANTS if self._open else None, taken=taken, classes=self._held)

    def of_block(self, block: LoweredBlock, name: str) -> ClassView:
        """A block as a class; one that is a chain derives from `nn.Sequential`."""
        own = self._block_scope(block)
        if self.is_plain(block.body):
            maker = self.maker(own.scope())
            made = maker.sequential(block.body)
            setup = pruned((*maker.setup, py.Evaluate(made._replace(function=SUPER))))
            return ClassView(*self._declared(own, name, setup), setup, (), made.function)
        writer = ModuleWriter(self.maker(own.scope()), [block.body])
        forward = writer.forward(writer.steps(block.body, X, "x"))
        setup = constructor(writer.maker.setup)
        self._special.append((name, writer.special))
        return ClassView(*self._declared(own, name, setup), setup, forward)

    def function(self, block: LoweredBlock, name: str) -> FunctionView:
        """A block that is a chain as a function that makes an `nn.Sequential`."""
        own = self._block_scope(block)
        maker = self.maker(own.scope())
        made = maker.sequential(block.body)
        body = pruned((*maker.setup, py.Return(made)))
        return FunctionView(*self._declared(own, name, body), body)

    def of_section(self, section: LoweredSection, name: str) -> tuple[ClassView, py.Call]:
        """A section as a class, and the call that makes it."""
        body = section.body
        writer = ModuleWriter(self.maker(self.scope(name)), [body])
        forward = writer.forward(writer.steps(body, X, "x"))
        self._special.append((name, writer.special))
        setup = constructor(writer.maker.setup)
        given = [own for own in self._open if own.name in set(reads(setup))]
        parameters = tuple(own._replace(default=None) for own in given)
        made = py.Call(name, tuple(py.Name(own.name) for own in given), span=section.span)
        return ClassView(name, (f"The section {section.name}.",), parameters, setup, forward), made

    def initialised(self, model: str, module: str, own: Sequence[Special]) -> tuple[py.Statement, ...]:
        """Statements that initialise the `model` after it is made; `own` are those of its attributes."""
        return self._initialisation.statements(model, module, own, self._special)

    def _declared(
        self, own: BlockScope, name: str, statements: Sequence[py.Statement]
    ) -> tuple[str, tuple[str, ...], tuple[ParameterView, ...]]:
        """The name, documentation and parameters of a block's class or function, which can be called now."""
        signature = self._constructors[own.block.name] = own.signature(name, statements)
        return name, block_documentation(own.block, own.scope()), tuple(own.parameters(signature))

    def _block_scope(self, block: LoweredBlock) -> BlockScope:
        called = {name: (own.name,) for name, own in self._constructors.items()}
        return block_scope(block, called, self._held)
