"""The `functional` style: parameters in a list, `forward` in calls of `torch.nn.functional`; no module.

A block is three functions: its forward pass, its parameters and its buffers. The forward pass pops
parameters and buffers from stacks, in textual order. A network without blocks or skip connections
unpacks its lists into names instead, as the courses' barebones code does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.initialise import layers_of
from netdsl.codegen.modules import step_names
from netdsl.codegen.names import RESERVED_FUNCTIONAL, Names, Translator
from netdsl.codegen.views import (
    FunctionView,
    ParameterView,
    block_documentation,
    block_names,
    call_arguments,
    docstring,
    forward_documentation,
    network_documentation,
    parameter_views,
    size_name,
)
from netdsl.expressions import NO, YES, Const, Expr, operator
from netdsl.lowered import (
    BlockCall,
    Layer,
    LoweredBlock,
    LoweredBody,
    LoweredNetwork,
    LoweredSection,
    LoweredStage,
    Skip,
)
from netdsl.ops.base import Slot, Weight

NEXT_PARAMETER, NEXT_BUFFER = py.Name("p.pop()"), py.Name("b.pop()")


class FunctionalView(NamedTuple):
    """What `functional.py.j2` lays out; `fills` are the methods of its `Init` that are used."""

    documentation: tuple[str, ...]
    functions: tuple[FunctionView, ...]
    fills: frozenset[str]
    has_buffers: bool
    forward: FunctionView
    init_params: tuple[py.Statement, ...]
    init_buffers: tuple[py.Statement, ...]
    iterates: bool


class _Block(NamedTuple):
    """A block's functions as callers need them: names, and which parameters each takes."""

    forward: str
    params: str
    buffers: str
    names: dict[str, str]
    forward_takes: frozenset[str]
    params_take: frozenset[str]
    buffers_take: frozenset[str]
    has_params: bool
    has_buffers: bool
    uses_training: bool


def functional_view(network: LoweredNetwork, source: str) -> FunctionalView:
    return _Functional(network).view(source)


class _Functional:
    def __init__(self, network: LoweredNetwork) -> None:
        self._network = network
        self._names = Names(RESERVED_FUNCTIONAL)
        self._blocks: dict[str, _Block] = {}
        self._functions: list[FunctionView] = []
        for block in network.blocks:
            self._blocks[block.name] = self._block(block)

    def view(self, source: str) -> FunctionalView:
        network = self._network
        layers = list(layers_of(network))
        has_buffers = any(weight.role == "buffer" for layer in layers for weight in layer.weights)
        uses_training = any(_uses_training(layer) for layer in layers)
        named = self._is_flat()
        forward = self._forward_named() if named else self._forward_iterated(has_buffers)
        parameters = [ParameterView("x", "Tensor"), ParameterView("params", "list[Tensor]")]
        parameters += [ParameterView("buffers", "list[Tensor]")] if has_buffers else []
        parameters += [ParameterView("training", "bool", "True")] if uses_training else []
        return FunctionalView(
            network_documentation(network, source),
            tuple(self._functions),
            frozenset(self._fill(weight) for layer in layers for weight in layer.weights),
            has_buffers,
            FunctionView("forward", forward_documentation(network), tuple(parameters), forward),
            self._tensors("params", _is_parameter),
            self._tensors("buffers", _is_buffer) if has_buffers else (),
            bool(network.blocks),
        )

    def _fill(self, weight: Weight) -> str:
        """The method of `Init` that makes a tensor."""
        if weight.role in ("scale", "buffer", "shift"):
            return "ones" if weight.fill else "zeros"
        if self._network.network.init == "kaiming":
            return "kaiming_normal" if weight.role == "kernel" else "zeros"
        return "uniform"

    # blocks

    def _block(self, block: LoweredBlock) -> _Block:
        functions = {name: (own.forward, own.params, own.buffers) for name, own in self._blocks.items()}
        names = block_names(block, functions, RESERVED_FUNCTIONAL)
        name = self._names.free(block.name)
        own = _Block(
            name, self._names.free(f"{name}_params"), self._names.free(f"{name}_buffers"), names,
            *self._takes(block), *self._has(block),
        )  # fmt: skip
        self._functions.append(self._forward_function(block, own))
        if own.has_params:
            self._functions.append(
                self._list_function(block, own, own.params, "parameters", own.params_take, _is_parameter)
            )
        if own.has_buffers:
            self._functions.append(
                self._list_function(block, own, own.buffers, "buffers", own.buffers_take, _is_buffer)
            )
        return own

    def _has(self, block: LoweredBlock) -> tuple[bool, bool, bool]:
        """Whether a block has parameters, buffers, and steps that differ in training."""
        layers, calls = _contents(block.body)
        inner = [self._blocks[call.block.name] for call in calls]
        weights = [weight for layer in layers for weight in layer.weights if weight.present != NO]
        return (
            any(map(_is_parameter, weights)) or any(b.has_params for b in inner),
            any(map(_is_buffer, weights)) or any(b.has_buffers for b in inner),
            any(map(_uses_training, layers)) or any(b.uses_training for b in inner),
        )

    def _takes(self, block: LoweredBlock) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The parameters (and `in`) that each of a block's functions speaks of."""
        found = []
        for kind in ("forward", "params", "buffers"):
            translate = Translator({p.name: p.name for p in block.parameters}, "in")
            if kind == "forward":
                _ForwardWriter(self._blocks, translate).steps(block.body, "x")
            else:
                self._items(block.body, _is_parameter if kind == "params" else _is_buffer, translate)
            found.append(frozenset(translate.used))
        return found[0], found[1], found[2]

    def _forward_function(self, block: LoweredBlock, own: _Block) -> FunctionView:
        size = size_name(block)
        translate = Translator(own.names, size)
        writer = _ForwardWriter(self._blocks, translate, names=Names(own.names.values()))
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
        own: _Block,
        name: str,
        what: str,
        takes: frozenset[str],
        wanted: Callable[[Weight], bool],
    ) -> FunctionView:
        size = size_name(block)
        parameters = [ParameterView("init", "Init")]
        parameters += [ParameterView(size, "int")] if "in" in takes else []
        parameters += parameter_views(block, own.names, takes.__contains__)
        body = _collected(self._items(block.body, wanted, Translator(own.names, size)), what="tensors")
        text = docstring(f"The {what} of `{block.name}`, in the order in which it uses them.")
        return FunctionView(name, (text,), tuple(parameters), body, "list[Tensor]")

    # parameters and buffers

    def _tensors(self, target: str, wanted: Callable[[Weight], bool]) -> tuple[py.Statement, ...]:
        """The statements that list the tensors of the network."""
        translate = Translator({}, "in")
        items: list[_Item] = []
        for part in self._network.parts:
            if isinstance(part, LoweredSection):
                items += self._items(part.body, wanted, translate)
            else:
                items += self._stage_items(part, wanted, translate)
        return _collected(items, what=target)

    def _items(
        self, body: LoweredBody, wanted: Callable[[Weight], bool], translate: Translator
    ) -> list[_Item]:
        items: list[_Item] = []
        for step in body:
            if isinstance(step, Layer):
                items += self._layer_items(step, wanted, translate)
            elif isinstance(step, BlockCall):
                items += self._call_items(step, wanted, translate)
            else:
                items += self._items(step.body, wanted, translate)
                if step.shortcut and (inner := self._items(step.shortcut, wanted, translate)):
                    items.append(_Where(py.negated(translate(step.same)), tuple(inner)))
        return items

    def _layer_items(
        self, layer: Layer, wanted: Callable[[Weight], bool], translate: Translator
    ) -> list[_Item]:
        items: list[_Item] = []
        kernel = next((weight for weight in layer.weights if weight.role == "kernel"), None)
        for weight in layer.weights:
            if not wanted(weight) or weight.present == NO:
                continue
            fill = self._fill(weight)
            shape = tuple(map(translate, weight.shape))
            # A bias is drawn with the fan-in of the kernel beside it.
            fan_in = (("fan_in", translate(_fan_in(kernel))),) if fill == "uniform" and kernel else ()
            item = _Tensor(py.Call(f"init.{fill}", shape, fan_in))
            items.append(item if weight.present == YES else _Where(translate(weight.present), (item,)))
        return items

    def _call_items(
        self, call: BlockCall, wanted: Callable[[Weight], bool], translate: Translator
    ) -> list[_Item]:
        block = self._blocks[call.block.name]
        parameters = wanted is _is_parameter
        if not (block.has_params if parameters else block.has_buffers):
            return []
        takes = block.params_take if parameters else block.buffers_take
        size = (translate(call.size),) if "in" in takes else ()
        positional, named = call_arguments(call, block.names, translate, takes.__contains__)
        function = block.params if parameters else block.buffers
        return [_Tensors(py.Call(function, (py.Name("init"), *size, *positional), named))]

    def _stage_items(
        self, stage: LoweredStage, wanted: Callable[[Weight], bool], translate: Translator
    ) -> list[_Item]:
        items: list[_Item] = []
        for call, count in stage.runs:
            inner = self._call_items(call, wanted, translate)
            items += inner if count == 1 or not inner else [_Repeated(count, tuple(inner))]
        return items

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
        writer = _ForwardWriter(self._blocks, Translator({}, "in"))
        scope = Names()
        params: list[str] = []
        buffers: list[str] = []
        for layer, name in zip(layers, step_names(tuple(layers)), strict=True):
            assert isinstance(layer, Layer)
            tensors: dict[str, py.Expression] = {}
            for weight in layer.weights:
                if weight.present == YES:
                    tensor = scope.free(f"{name}_{weight.name}")
                    (buffers if _is_buffer(weight) else params).append(tensor)
                    tensors[weight.name] = py.Name(tensor)
            writer.layer(layer, "x", "x", tensors)
        unpack = [
            py.Assign(", ".join(names) + ("," if len(names) == 1 else ""), py.Name(source))
            for names, source in ((params, "params"), (buffers, "buffers"))
            if names
        ]
        return (*unpack, *writer.body, py.Return(py.Name("x")))

    def _forward_iterated(self, has_buffers: bool) -> tuple[py.Statement, ...]:
        writer = _ForwardWriter(self._blocks, Translator({}, "in"))
        has_params = any(_is_parameter(w) for layer in layers_of(self._network) for w in layer.weights)
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


@dataclass(slots=True)
class _ForwardWriter:
    """Writes the statements of a forward pass."""

    blocks: dict[str, _Block]
    translate: Translator
    body: list[py.Statement] = field(default_factory=list)
    # The variables of the forward pass; those of the block's parameters are taken.
    names: Names = field(default_factory=lambda: Names(()))

    def steps(self, body: LoweredBody, x: str, y: str | None = None) -> None:
        """Adds the steps: the first reads the variable x, all write y (x itself if not given)."""
        target = y or x
        for step in body:
            if isinstance(step, Layer):
                self.layer(step, x, target, None)
            elif isinstance(step, BlockCall):
                self.body.append(py.Assign(target, self.call(step, x)))
            else:
                self._skip(step, x, target)
            x = target
        if not body and target != x:
            self.body.append(py.Assign(target, py.Name(x)))

    def layer(self, layer: Layer, x: str, y: str, tensors: dict[str, py.Expression] | None) -> None:
        """Adds a layer; `tensors` are its weights by name, else they are popped from the stacks."""
        if layer.function is None:
            if x != y:
                self.body.append(py.Assign(y, py.Name(x)))
            return
        last = self.body[-1] if self.body else None
        around = layer.operation.is_activation and isinstance(last, py.Assign) and last.target == y and x == y
        source = last.value if around and isinstance(last, py.Assign) else py.Name(x)
        weights = {weight.name: weight for weight in layer.weights}
        positional = []
        for argument in layer.function.positional:
            if not isinstance(argument, Slot):
                positional.append(self.translate(argument))
            elif argument.name == "x":
                positional.append(source)
            elif argument.name in weights:
                positional.append(self._weight(weights[argument.name], tensors))
            else:
                positional.append(py.Name(argument.name))
        while positional and positional[-1] == py.Literal(None):
            positional.pop()
        named = tuple((name, self.translate(value)) for name, value in layer.function.named)
        statement = py.Assign(y, py.Call(layer.function.target, tuple(positional), named))
        if around:
            self.body[-1] = statement
        else:
            self.body.append(statement)

    def _weight(self, weight: Weight, tensors: dict[str, py.Expression] | None) -> py.Expression:
        if weight.present == NO:
            return py.Literal(None)
        if tensors is not None:
            return tensors[weight.name]
        taken = NEXT_BUFFER if _is_buffer(weight) else NEXT_PARAMETER
        if weight.present == YES:
            return taken
        return py.Operation("if", (self.translate(weight.present), taken, py.Literal(None)))

    def call(self, call: BlockCall, x: str) -> py.Expression:
        block = self.blocks[call.block.name]
        takes = block.forward_takes
        positional, named = call_arguments(call, block.names, self.translate, takes.__contains__)
        shared = [
            py.Name(name)
            for name, used in (
                ("p", block.has_params),
                ("b", block.has_buffers),
                ("training", block.uses_training),
            )
            if used
        ]
        return py.Call(block.forward, (py.Name(x), *shared, *positional), named)

    def stage(self, stage: LoweredStage) -> None:
        for call, count in stage.runs:
            statement = py.Assign("x", self.call(call, "x"))
            if count == 1:
                self.body.append(statement)
            else:
                self.body.append(py.For("_", py.Call("range", (py.Literal(count),)), (statement,)))

    def _skip(self, skip: Skip, x: str, y: str) -> None:
        """Body into a variable of its own, then x (or its projection) added to it."""
        inner = self.names.numbered("y") if y == x else y
        inner = self.names.numbered("y") if inner == x else inner
        self.steps(skip.body, x, inner)
        added = py.Operation("+", (py.Name(inner), py.Name(x)))
        same = self.translate(skip.same)
        if skip.same == YES:
            self.body.append(py.Assign(y, added))
        elif skip.shortcut is None:
            self.body.append(py.Assign(y, py.Operation("if", (same, added, py.Name(inner)))))
        else:
            projection = _ForwardWriter(self.blocks, self.translate, names=self.names)
            projected = x if x == y else self.names.numbered("shortcut")
            if projected != x:
                self.body.append(py.Assign(projected, py.Name(x)))
            projection.steps(skip.shortcut, x, projected)
            self.body.append(py.If(py.negated(same), tuple(projection.body)))
            self.body.append(py.Assign(y, py.Operation("+", (py.Name(inner), py.Name(projected)))))


# Items of a list of tensors: one, several from a function, some only where a condition holds, repeated ones.


class _Tensor(NamedTuple):
    made: py.Expression


class _Tensors(NamedTuple):
    made: py.Expression


class _Where(NamedTuple):
    condition: py.Expression
    items: tuple[_Item, ...]


class _Repeated(NamedTuple):
    times: int
    items: tuple[_Item, ...]


_Item = _Tensor | _Tensors | _Where | _Repeated


def _collected(items: Iterable[_Item], what: str) -> tuple[py.Statement, ...]:
    """Statements that collect the items in a list called `what`, and return it."""
    statements = _extended(list(items), what)
    first = statements[0] if statements else None
    if isinstance(first, py.Assign) and isinstance(first.value, py.Sequence):
        start = py.Assign(what, first.value)
        if len(statements) == 1:
            return (py.Return(first.value),)
        return (start, *statements[1:], py.Return(py.Name(what)))
    empty = py.Assign(what, py.Sequence("[]", ()), annotation="list[Tensor]")
    return (empty, *statements, py.Return(py.Name(what)))


def _extended(items: list[_Item], what: str) -> list[py.Statement]:
    statements: list[py.Statement] = []
    single: list[py.Expression] = []

    def flush() -> None:
        if single:
            statements.append(py.Assign(what, py.Sequence("[]", tuple(single)), operator="+="))
            single.clear()

    for item in items:
        if isinstance(item, _Tensor):
            single.append(item.made)
            continue
        flush()
        if isinstance(item, _Tensors):
            statements.append(py.Assign(what, item.made, operator="+="))
        elif isinstance(item, _Where):
            statements.append(py.If(item.condition, tuple(_extended(list(item.items), what))))
        else:
            count = py.Call("range", (py.Literal(item.times),))
            statements.append(py.For("_", count, tuple(_extended(list(item.items), what))))
    flush()
    return statements


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


def _is_parameter(weight: Weight) -> bool:
    return weight.role != "buffer"


def _is_buffer(weight: Weight) -> bool:
    return weight.role == "buffer"


def _uses_training(layer: Layer) -> bool:
    return layer.function is not None and Slot("training") in layer.function.positional


def _fan_in(kernel: Weight) -> Expr:
    """Inputs that one output sees: the product of all lengths but the first."""
    lengths = kernel.shape[1:]
    product: Expr = Const(
        math.prod(n.value for n in lengths if isinstance(n, Const) and isinstance(n.value, int))
    )
    for length in lengths:
        product = product if isinstance(length, Const) else operator("*", product, length)
    return product
