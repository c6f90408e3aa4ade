"""Lists of tensors in the functional style: the expressions that make parameters and buffers, in order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from netdsl.codegen import python as py
from netdsl.codegen.functions import BlockFunctions
from netdsl.codegen.names import Translator
from netdsl.codegen.views import call_arguments
from netdsl.expressions import NO, YES, ZERO, Const, Expr, operator
from netdsl.lowered import BlockCall, Layer, LoweredBody, LoweredNetwork, LoweredSection, LoweredStage
from netdsl.ops.base import Kind, Weight

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


_Item: TypeAlias = _Tensor | _Tensors | _Where | _Repeated


def collected(items: Iterable[_Item], what: str) -> tuple[py.Statement, ...]:
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


@dataclass(frozen=True, slots=True)
class TensorLists:
    """Writes the lists of one network; `wanted` chooses parameters or buffers."""

    network: LoweredNetwork
    blocks: dict[str, BlockFunctions]

    def of_network(self, target: str, wanted: Kind) -> tuple[py.Statement, ...]:
        """The statements that list the tensors of the network."""
        translate = Translator({}, "in")
        items: list[_Item] = []
        for part in self.network.parts:
            if isinstance(part, LoweredSection):
                items += self.of_body(part.body, wanted, translate)
            else:
                items += self._stage_items(part, wanted, translate)
        return collected(items, what=target)

    def fill(self, weight: Weight) -> str:
        """The method of `Init` that makes a tensor."""
        if weight.role in ("scale", "buffer", "shift"):
            return "zeros" if weight.fill == ZERO else "ones"
        if self.network.network.init == "kaiming":
            return "kaiming_normal" if weight.role == "kernel" else "zeros"
        return "uniform"

    def of_body(self, body: LoweredBody, wanted: Kind, translate: Translator) -> list[_Item]:
        items: list[_Item] = []
        for step in body:
            if isinstance(step, Layer):
                items += self._layer_items(step, wanted, translate)
            elif isinstance(step, BlockCall):
                items += self._call_items(step, wanted, translate)
            else:
                items += self.of_body(step.body, wanted, translate)
                if step.shortcut and (inner := self.of_body(step.shortcut, wanted, translate)):
                    items.append(_Where(py.negated(translate(step.same)), tuple(inner)))
        return items

    def _layer_items(self, layer: Layer, wanted: Kind, translate: Translator) -> list[_Item]:
        items: list[_Item] = []
        kernel = next((weight for weight in layer.weights if weight.role == "kernel"), None)
        for weight in layer.weights:
            if weight.kind != wanted or weight.present == NO:
                continue
            fill = self.fill(weight)
            shape = tuple(map(translate, weight.shape))
            # A bias is drawn with the fan-in of the kernel beside it.
            fan_in = (("fan_in", translate(_fan_in(kernel))),) if fill == "uniform" and kernel else ()
            item = _Tensor(py.Call(f"init.{fill}", shape, fan_in))
            items.append(item if weight.present == YES else _Where(translate(weight.present), (item,)))
        return items

    def _call_items(self, call: BlockCall, wanted: Kind, translate: Translator) -> list[_Item]:
        block = self.blocks[call.block.name]
        parameters = wanted == "parameters"
        if not (block.has_params if parameters else block.has_buffers):
            return []
        takes = block.params_take if parameters else block.buffers_take
        size = (translate(call.size),) if "in" in takes else ()
        positional, named = call_arguments(call, block.names, translate, takes.__contains__)
        function = block.params if parameters else block.buffers
        return [_Tensors(py.Call(function, (py.Name("init"), *size, *positional), named))]

    def _stage_items(self, stage: LoweredStage, wanted: Kind, translate: Translator) -> list[_Item]:
        items: list[_Item] = []
        for call, count in stage.runs:
            inner = self._call_items(call, wanted, translate)
            items += inner if count == 1 or not inner else [_Repeated(count, tuple(inner))]
        return items


def _fan_in(kernel: Weight) -> Expr:
    """Inputs that one output sees: the product of all lengths but the first."""
    lengths = kernel.shape[1:]
    product: Expr = Const(
        math.prod(n.value for n in lengths if isinstance(n, Const) and isinstance(n.value, int))
    )
    for length in lengths:
        product = product if isinstance(length, Const) else operator("*", product, length)
    return product
