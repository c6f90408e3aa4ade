"""The `functional` style: parameters in a list, `forward` in calls of `torch.nn.functional`; no module.

A block is three functions: its forward pass, its parameters and its buffers. The forward pass pops
parameters and buffers from stacks, in textual order. A network without blocks or skip connections
unpacks its lists into names instead, as the courses' barebones code does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.functions import BlockFunctions, ForwardWriter, is_buffer, is_parameter, uses_training
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
from netdsl.lowered import BlockCall, Layer, LoweredBlock, LoweredBody, LoweredNetwork, LoweredSection
from netdsl.ops.base import Weight


class FunctionalView(NamedTuple):
    """What `functional.py.j2` lays out; `fills` are the methods of its `Init` that are used."""

    documentation: tuple[str, ...]
    functions: tuple[FunctionView, ...]
    fills: frozenset[str]
    has_buffers: bool
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
        layers = list(layers_of(network))
        has_buffers = any(weight.role == "buffer" for layer in layers for weight in layer.weights)
        named = self._is_flat()
        forward = self._forward_named() if named else self._forward_iterated(has_buffers)
        parameters = [ParameterView("x", "Tensor"), ParameterView("params", "list[Tensor]")]
        parameters += [ParameterView("buffers", "list[Tensor]")] if has_buffers else []
        parameters += [ParameterView("training", "bool", "True")] if any(map(uses_training, layers)) else []
        return FunctionalView(
            network_documentation(network, source),
            tuple(self._functions),
            frozenset(self._lists.fill(weight) for layer in layers for weight in layer.weights),
            has_buffers,
            FunctionView("forward", forward_documentation(network), tuple(parameters), forward),
            self._lists.of_network("params", is_parameter),
            self._lists.of_network("buffers", is_buffer) if has_buffers else (),
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
            self._functions.append(
                self._list_function(block, own, own.params, "parameters", own.params_take, is_parameter)
            )
        if own.has_buffers:
            self._functions.append(
                self._list_function(block, own, own.buffers, "buffers", own.buffers_take, is_buffer)
            )
        return own

    def _variables(self, taken: Iterable[str] = ()) -> Names:
        """Free names for the variables of a forward pass: they must not hide a function that it calls."""
        return Names({*taken, *(block.forward for block in self._blocks.values())})

    def _has(self, block: LoweredBlock) -> tuple[bool, bool, bool]:
        """Whether a block has parameters, buffers, and steps that differ in training."""
        layers, calls = _contents(block.body)
        inner = [self._blocks[call.block.name] for call in calls]
        weights = [weight for layer in layers for weight in layer.weights if weight.present != NO]
        return (
            any(map(is_parameter, weights)) or any(b.has_params for b in inner),
            any(map(is_buffer, weights)) or any(b.has_buffers for b in inner),
            any(map(uses_training, layers)) or any(b.uses_training for b in inner),
        )

    def _takes(self, block: LoweredBlock) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The parameters (and `in`) that each of a block's functions speaks of."""
        found = []
        for kind in ("forward", "params", "buffers"):
            translate = Translator({p.name: p.name for p in block.parameters}, "in")
            if kind == "forward":
                ForwardWriter(self._blocks, translate).steps(block.body, "x")
            else:
                self._lists.of_body(block.body, is_parameter if kind == "params" else is_buffer, translate)
            found.append(frozenset(translate.used))
        return found[0], found[1], found[2]

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
        what: str,
        takes: frozenset[str],
        wanted: Callable[[Weight], bool],
    ) -> FunctionView:
        size = size_name(block)
        parameters = [ParameterView("init", "Init")]
        parameters += [ParameterView(size, "int")] if "in" in takes else []
        parameters += parameter_views(block, own.names, takes.__contains__)
        body = collected(self._lists.of_body(block.body, wanted, Translator(own.names, size)), what="tensors")
        text = docstring(f"The {what} of `{block.name}`, in the order in which it uses them.")
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
                    (buffers if is_buffer(weight) else params).append(tensor)
                    tensors[weight.name] = py.Name(tensor)
            writer.layer(layer, "x", "x", tensors)
        unpack = [
            py.Assign(", ".join(names) + ("," if len(names) == 1 else ""), py.Name(source))
            for names, source in ((params, "params"), (buffers, "buffers"))
            if names
        ]
        return (*unpack, *writer.body, py.Return(py.Name("x")))

    def _forward_iterated(self, has_buffers: bool) -> tuple[py.Statement, ...]:
        writer = ForwardWriter(self._blocks, Translator({}, "in"), names=self._variables())
        has_params = any(is_parameter(w) for layer in layers_of(self._network) for w in layer.weights)
        if has_params or has_buffers:
            writer.body.append(py.Comment("Reversed, so that pop() takes them in order."))
        if has_params:
            writer.body.append(py.Assign("p", py.Name("params[::-1]")))
        if has_buffers:
            writer.body.append(py.Assign("b", py.Name("buffers[::-1]")))
        for part in self._network.parts:
            writer.body.append(py.Comment(part.name))
            if isinstance(part, LoweredSection):
                writer.steps(part.body, "x")
            else:
                writer.stage(part)
        return (*writer.body, py.Return(py.Name("x")))


def _contents(body: LoweredBody) -> tuple[list[Layer], list[BlockCall]]:
    layers: list[Layer] = []
    calls: list[BlockCall] = []
    for step in body:
        if isinstance(step, Layer):
            layers.append(step)
        elif isinstance(step, BlockCall):
            calls.append(step)
        else:
            for inner in (step.body, step.shortcut or ()):
                more_layers, more_calls = _contents(inner)
                layers += more_layers
                calls += more_calls
    return layers, calls
