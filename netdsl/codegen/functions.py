"""Forward passes of the functional style: what a block's functions take, and the statements of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.names import Names, Translator
from netdsl.codegen.views import call_arguments, torch_call
from netdsl.expressions import NO, YES
from netdsl.lowered import BlockCall, Layer, LoweredBody, LoweredStage, Skip
from netdsl.ops.base import Slot, Weight

NEXT_PARAMETER, NEXT_BUFFER = py.Name("p.pop()"), py.Name("b.pop()")


class BlockFunctions(NamedTuple):
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


def uses_training(layer: Layer) -> bool:
    return layer.function is not None and Slot("training") in layer.function.positional


@dataclass(slots=True)
class ForwardWriter:
    """Writes the statements of a forward pass."""

    blocks: dict[str, BlockFunctions]
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
        source: py.Expression = py.Name(x)
        if layer.operation.is_activation and x == y and py.takes_activation(last, y):
            source = last.value
            self.body.pop()
        weights = {weight.name: self._weight(weight, tensors) for weight in layer.weights}
        slots = {"x": source, "training": py.Name("training"), "generator": py.Literal(None), **weights}
        call = torch_call(layer.function, self.translate, slots)
        while call.positional[-1] == py.Literal(None):
            call = call._replace(positional=call.positional[:-1])
        self.body.append(py.Assign(y, call))

    def _weight(self, weight: Weight, tensors: dict[str, py.Expression] | None) -> py.Expression:
        if weight.present == NO:
            return py.Literal(None)
        if tensors is not None:
            return tensors[weight.name]
        taken = NEXT_BUFFER if weight.kind == "buffers" else NEXT_PARAMETER
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
            projection = ForwardWriter(self.blocks, self.translate, names=self.names)
            projected = x if x == y else self.names.numbered("shortcut")
            if projected != x:
                self.body.append(py.Assign(projected, py.Name(x)))
            projection.steps(skip.shortcut, x, projected)
            self.body.append(py.If(py.negated(same), tuple(projection.body)))
            self.body.append(py.Assign(y, py.Operation("+", (py.Name(inner), py.Name(projected)))))
