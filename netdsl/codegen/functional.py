"""The `functional` style: parameters in a list, `forward` in calls of `torch.nn.functional`; no module.

A block is three functions: its forward pass, its parameters and its buffers. The forward pass pops
parameters and buffers from stacks, in textual order. A network without blocks or skip connections
unpacks its lists into names instead, as the courses' barebones code does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.functions import BlockFunctions, ForwardWriter, uses_training
from netdsl.codegen.initialise import layers_of
from netdsl.codegen.modules import step_names
from netdsl.codegen.names import RESERVED_FUNCTIONAL, Names, Translator
from netdsl.codegen.tensors import TensorLists, collected
from netdsl.codegen.views import (
    FunctionView,
    ParameterView,
    block_documentation,
    block_names,
    docstring,
    forward_documentation,
    network_documentation,
    parameter_views,
    size_name,
)
from netdsl.expressions import NO, YES
from netdsl.lowered import Layer, LoweredBlock, LoweredNetwork, LoweredSection, calls, layers
from netdsl.ops.base import Kind


class FunctionalView(NamedTuple):
    """What `functional.py.j2` lays out; `fills` are the methods of its `Init` that are used."""

    documentation: tuple[str, ...]
    functions: tuple[FunctionView, ...]
    fills: frozenset[str]
    forward: FunctionView
    init_params: tuple[py.Statement, ...]
    init_buffers: tuple[py.Statement, ...]


def functional_view(network: LoweredNetwork, source: str) -> FunctionalView:
    return _Functional(network).view(source)


class _Functional:
    def __init__(self, network: LoweredNetwork) -> None:
        self._network = network
        self._names = Names(RESERVED_FUNCTIONAL)
        self._blocks: dict[str, BlockFunctions] = {}
        self._lists = TensorLists(network, self._blocks)
        self._functions: list[FunctionView] = []
        for block in network.blocks:
            self._blocks[block.name] = self._block(block)

    def view(self, source: str) -> FunctionalView:
        network = self._network
        own = list(layers_of(network))
        kinds = {weight.kind for layer in own for weight in layer.weights if weight.present != NO}
        has_buffers = "buffers" in kinds
        named = self._is_flat()
        forward = self._forward_named() if named else self._forward_iterated(kinds)
        parameters = [ParameterView("x", "Tensor"), ParameterView("params", "list[Tensor]")]
        parameters += [ParameterView("buffers", "list[Tensor]")] if has_buffers else []
        parameters += [ParameterView("training", "bool", "True")] if any(map(uses_training, own)) else []
        return FunctionalView(
            network_documentation(network, source),
            tuple(self._functions),
            frozenset(self._lists.fill(weight) for layer in own for weight in layer.weights),
            FunctionView("forward", forward_documentation(network), tuple(parameters), forward),
            self._lists.of_network("params", "parameters"),
            self._lists.of_network("buffers", "buffers") if has_buffers else (),
        )

    # blocks

    def _block(self, block: LoweredBlock) -> BlockFunctions:
        functions = {name: (own.forward, own.params, own.buffers) for name, own in self._blocks.items()}
        names = block_names(block, functions, RESERVED_FUNCTIONAL)
        name = self._names.free(block.name)
        own = BlockFunctions(
            name, self._names.free(f"{name}_params"), self._names.free(f"{name}_buffers"), names,
            *self._takes(block), *self._has(block),
        )  # fmt: skip
        self._functions.append(self._forward_function(block, own))
        if own.has_params:
            self._functions.append(self._list_function(block, own, own.params, "parameters", own.params_take))
        if own.has_buffers:
            self._functions.append(self._list_function(block, own, own.buffers, "buffers", own.buffers_take))
        return own

    def _variables(self, taken: Iterable[str] = ()) -> Names:
        """Free names for the variables of a forward pass: they must not hide a function that it calls."""
        return Names({*taken, *(block.forward for block in self._blocks.values())})

    def _has(self, block: LoweredBlock) -> tuple[bool, bool, bool]:
        """Whether a block has parameters, buffers, and steps that differ in training."""
        own = list(layers(block.body))
        inner = [self._blocks[call.block.name] for call in calls(block.body)]
        kinds = {weight.kind for layer in own for weight in layer.weights if weight.present != NO}
        return (
            "parameters" in kinds or any(b.has_params for b in inner),
            "buffers" in kinds or any(b.has_buffers for b in inner),
            any(map(uses_training, own)) or any(b.uses_training for b in inner),
        )

    def _takes(self, block: LoweredBlock) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The parameters (and `in`) that each of a block's functions speaks of."""
        names = {p.name: p.name for p in block.parameters}
        forward, params, buffers = (Translator(names, "in") for _ in range(3))
        ForwardWriter(self._blocks, forward).steps(block.body, "x")
        self._lists.of_body(block.body, "parameters", params)
        self._lists.of_body(block.body, "buffers", buffers)
        return frozenset(forward.used), frozenset(params.used), frozenset(buffers.used)

    def _forward_function(self, block: LoweredBlock, own: BlockFunctions) -> FunctionView:
        size = size_name(block)
        translate = Translator(own.names, size)
        writer = ForwardWriter(self._blocks, translate, names=self._variables(own.names.values()))
        writer.steps(block.body, "x")
        start = [py.Assign(size, py.Name("x.shape[1]"))] if "in" in own.forward_takes else []
        parameters = [ParameterView("x", "Tensor")]
        parameters += [ParameterView("p", "list[Tensor]")] if own.has_params else []
        parameters += [ParameterView("b", "list[Tensor]")] if own.has_buffers else []
        parameters += [ParameterView("training", "bool")] if own.uses_training else []
        parameters += parameter_views(block, own.names, own.forward_takes.__contains__)
        documentation = block_documentation(block, Translator(own.names, size))
        return FunctionView(
            own.forward, documentation, tuple(parameters), (*start, *writer.body, py.Return(py.Name("x")))
        )

    def _list_function(
        self,
        block: LoweredBlock,
        own: BlockFunctions,
        name: str,
        wanted: Kind,
        takes: frozenset[str],
    ) -> FunctionView:
        size = size_name(block)
        parameters = [ParameterView("init", "Init")]
        parameters += [ParameterView(size, "int")] if "in" in takes else []
        parameters += parameter_views(block, own.names, takes.__contains__)
        body = collected(self._lists.of_body(block.body, wanted, Translator(own.names, size)), what="tensors")
        text = docstring(f"The {wanted} of `{block.name}`, in the order in which it uses them.")
        return FunctionView(name, (text,), tuple(parameters), body, "list[Tensor]")

    # forward

    def _is_flat(self) -> bool:
        return all(
            isinstance(part, LoweredSection) and all(isinstance(step, Layer) for step in part.body)
            for part in self._network.parts
        )

    def _forward_named(self) -> tuple[py.Statement, ...]:
        layers = [
            step for part in self._network.parts if isinstance(part, LoweredSection) for step in part.body
        ]
        writer = ForwardWriter(self._blocks, Translator({}, "in"), names=self._variables())
        scope = Names()
        params: list[str] = []
        buffers: list[str] = []
        for layer, name in zip(layers, step_names(tuple(layers)), strict=True):
            assert isinstance(layer, Layer)
            tensors: dict[str, py.Expression] = {}
            for weight in layer.weights:
                if weight.present == YES:
                    tensor = scope.free(f"{name}_{weight.name}")
                    (buffers if weight.kind == "buffers" else params).append(tensor)
                    tensors[weight.name] = py.Name(tensor)
            writer.layer(layer, "x", "x", tensors)
        unpack = [
            py.Assign(", ".join(names) + ("," if len(names) == 1 else ""), py.Name(source))
            for names, source in ((params, "params"), (buffers, "buffers"))
            if names
        ]
        return (*unpack, *writer.body, py.Return(py.Name("x")))

    def _forward_iterated(self, kinds: Collection[Kind]) -> tuple[py.Statement, ...]:
        writer = ForwardWriter(self._blocks, Translator({}, "in"), names=self._variables())
        if kinds:
            writer.body.append(py.Comment("Reversed, so that pop() takes them in order."))
        if "parameters" in kinds:
            writer.body.append(py.Assign("p", py.Name("params[::-1]")))
        if "buffers" in kinds:
            writer.body.append(py.Assign("b", py.Name("buffers[::-1]")))
        for part in self._network.parts:
            writer.body.append(py.Comment(part.name))
            if isinstance(part, LoweredSection):
                writer.steps(part.body, "x")
            else:
                writer.stage(part)
        return (*writer.body, py.Return(py.Name("x")))
