"""The `functional` style: parameters in a list, `forward` in calls of `torch.nn.functional`; no module.

A block is three functions: its forward pass, its parameters and its buffers. The forward pass takes
parameters and buffers from stacks, in textual order. A network that consists of layers only unpacks its lists
into names instead, as the courses' barebones code does.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.base.named_tuple import NamedTuple
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.functional_forward import STACKS, BlockFunctions, FunctionalForward
from netdsl.codegen.functional_init import FunctionalInit
from netdsl.codegen.names import CONSTANTS, RESERVED_FUNCTIONAL, Names
from netdsl.codegen.operation_parameters import by_name
from netdsl.codegen.prune import pruned, reads
from netdsl.codegen.signatures import BlockScope, Signature, block_scope
from netdsl.codegen.template_models import (
    FunctionView,
    ParameterView,
    block_documentation,
    docstring,
    forward_documentation,
    network_documentation,
    open_parameters,
    returned,
)
from netdsl.ir.lowered import Layer, LoweredBlock, LoweredNetwork, LoweredSection
from netdsl.ops.operation import Kind

X = py.Name("x")
GENERATOR = "torch.Generator | None"
# The names of the lists in the functions of the network.
LISTS: Mapping[Kind, str] = {"parameters": "params", "buffers": "buffers"}
# The state that functions share: parameters of a block's forward pass, with their types.
STATE = {"p": "list[Tensor]", "b": "list[Tensor]", "training": "bool", "generator": GENERATOR}


class FunctionalView(NamedTuple):
    """The view of the functional style; `inits` are the methods of its `Init`, `parameters` those of
    `init_params` besides the options of tensors.
    """

    documentation: tuple[str, ...]
    functions: tuple[FunctionView, ...]
    inits: tuple[FunctionView, ...]
    forward: FunctionView
    init_params: tuple[py.Statement, ...]
    init_buffers: tuple[py.Statement, ...]
    parameters: tuple[ParameterView, ...]
    template: str = "functional.py.j2"


def functional_view(network: LoweredNetwork, source: str) -> FunctionalView:
    return _Functional(by_name(network)).view(source)


class _Functional:
    def __init__(self, network: LoweredNetwork) -> None:
        self._network = network
        self._names = Names(RESERVED_FUNCTIONAL)
        self._inits = FunctionalInit(network.network.init)
        self._blocks: dict[str, BlockFunctions] = {}
        self._functions: list[FunctionView] = []
        for block in network.blocks:
            self._blocks[block.name] = self._block(block)

    def view(self, source: str) -> FunctionalView:
        network = self._network
        bodies = [part.body for part in network.parts if isinstance(part, LoweredSection)]
        unpack = _has_layers_only(network)
        writer = FunctionalForward(self._blocks, self._scope(), bodies, self._inits, LISTS, unpack=unpack)
        forward = self._forward_unpacked(writer) if unpack else self._forward(writer)
        params, buffers = writer.tensors("parameters"), writer.tensors("buffers")
        options = (py.Name("dtype"), py.Name("device"))
        init_params = py.Call("Init", (*options, py.Name("generator")))
        init_buffers = py.Call("Init", options, (("requires_grad", py.Literal(False)),))
        open_views = open_parameters(network)
        read = set(reads(forward))
        parameters = [ParameterView("x", "Tensor"), ParameterView("params", "list[Tensor]")]
        parameters += [ParameterView("buffers", "list[Tensor]")] if buffers else []
        parameters += [ParameterView("training", "bool", "True")] if "training" in read else []
        parameters += [ParameterView("generator", GENERATOR, "None")] if "generator" in read else []
        parameters += [own for own in open_views if own.name in read]
        return FunctionalView(
            network_documentation(network, source),
            tuple(self._functions),
            self._inits.methods,
            FunctionView(
                "forward",
                forward_documentation(network),
                tuple(parameters),
                forward,
                returned(network),
            ),
            (py.Assign("init", init_params), *params) if params else (py.Return(py.Sequence("[]", ())),),
            (py.Assign("init", init_buffers), *buffers) if buffers else (),
            open_views,
        )

    # blocks

    def _block(self, block: LoweredBlock) -> BlockFunctions:
        called = {name: functions.names for name, functions in self._blocks.items()}
        own = block_scope(block, called, {}, RESERVED_FUNCTIONAL)
        name = self._names.free(block.name)
        writer = FunctionalForward(
            self._blocks, own.scope(), [block.body], self._inits, dict.fromkeys(STACKS, "tensors")
        )
        forward = self._forward_function(own, name, writer)
        lists: dict[Kind, Signature] = {}
        for kind, suffix in LISTS.items():
            if body := writer.tensors(kind):
                lists[kind] = self._list_function(own, self._names.free(f"{name}_{suffix}"), kind, body)
        return BlockFunctions(forward, lists)

    def _forward_function(self, own: BlockScope, name: str, writer: FunctionalForward) -> Signature:
        value = writer.steps(own.block.body, X, "x")
        start = py.Assign(own.size_name, py.Name("x.shape[1]"), local=True)
        body = pruned((start, *writer.body, py.Return(value)))
        signature = own.signature(name, body, STATE)
        # The size of the input is that of x.
        signature = signature._replace(takes=signature.takes - {"in"})
        shared = (ParameterView(state, STATE[state]) for state in signature.state)
        parameters = (ParameterView("x", "Tensor"), *shared, *own.parameters(signature))
        documentation = block_documentation(own.block, own.scope())
        self._functions.append(FunctionView(name, documentation, parameters, body))
        return signature

    def _list_function(
        self, own: BlockScope, name: str, kind: Kind, body: tuple[py.Statement, ...]
    ) -> Signature:
        signature = own.signature(name, body, ("init",))
        parameters = (ParameterView("init", "Init"), *own.parameters(signature))
        text = docstring(f"The {kind} of `{own.block.name}`, in the order in which it uses them.")
        self._functions.append(FunctionView(name, (text,), parameters, body, "list[Tensor]"))
        return signature

    # the network

    def _scope(self) -> Scope:
        """A scope of the network: its variables must not hide a function that it calls."""
        names = (name for functions in self._blocks.values() for name in functions.names)
        constants = CONSTANTS if self._network.open_classes else None
        return Scope(constants, taken=RESERVED_FUNCTIONAL.union(names))

    def _forward(self, writer: FunctionalForward) -> tuple[py.Statement, ...]:
        value: py.Expression = X
        for number, part in enumerate(self._network.parts):
            if number == self._network.evaluated:
                writer.leave_in_evaluation(self._network, "training")
            x = writer.bound(value, "x")
            writer.body.append(py.Comment(part.name))
            if isinstance(part, LoweredSection):
                value = writer.steps(part.body, x, "x")
            else:
                value = writer.stage(part, x, "x")
        if self._network.outputs[0].saved:
            value = writer.outputs(self._network.outputs)
        body = pruned((*writer.body, py.Return(value)))
        read = set(reads(body))
        stacks = [
            py.Assign(stack, py.Name(f"{name}[::-1]"))
            for stack, name in zip(STACKS.values(), LISTS.values(), strict=True)
            if stack in read
        ]
        comment = [py.Comment("Reversed, so that pop() takes them in order.")] if stacks else []
        return (*comment, *stacks, *body)

    def _forward_unpacked(self, writer: FunctionalForward) -> tuple[py.Statement, ...]:
        value: py.Expression = X
        for part in self._network.parts:
            assert isinstance(part, LoweredSection)
            value = writer.steps(part.body, value, "x")
        unpack = (
            py.Assign(", ".join(own) + ("," if len(own) == 1 else ""), py.Name(LISTS[kind]))
            for kind, own in writer.unpacked.items()
            if own
        )
        return (*unpack, *writer.body, py.Return(value))


def _has_layers_only(network: LoweredNetwork) -> bool:
    sections = [part.body for part in network.parts if isinstance(part, LoweredSection)]
    layers = all(isinstance(step, Layer) for body in sections for step in body)
    return layers and len(sections) == len(network.parts)
