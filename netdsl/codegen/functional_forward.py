"""Forward passes of the functional style: what a block's functions are, and the statements of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.forward_writer import ForwardWriter
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.list_builder import constant, loop
from netdsl.codegen.signatures import Signature, call_of
from netdsl.codegen.template_models import torch_call
from netdsl.ir.lowered import (
    BlockCall,
    Branches,
    Choice,
    From,
    Layer,
    Let,
    LoweredBody,
    LoweredStage,
    LoweredStep,
    Repeat,
    Run,
    Save,
    Skip,
    When,
)
from netdsl.language.expressions import NO, YES, Const, Expr, Ref, operator
from netdsl.ops.operation import Weight

NEXT_PARAMETER, NEXT_BUFFER = py.Name("p.pop()"), py.Name("b.pop()")


class BlockFunctions(NamedTuple):
    """A block's functions; without parameters or buffers there is none that makes them."""

    forward: Signature
    params: Signature | None
    buffers: Signature | None

    @property
    def names(self) -> set[str]:
        return {own.name for own in self if own is not None}


class FunctionalForward(ForwardWriter):
    """Writes the statements of a forward pass in calls of functions."""

    def __init__(self, blocks: Mapping[str, BlockFunctions], scope: Scope) -> None:
        super().__init__(scope.free)
        self._blocks = blocks
        self._scope = scope

    def joins(self, step: LoweredStep) -> bool:
        return isinstance(step, (Skip, Branches, When, Save, From))

    def chain(
        self, steps: LoweredBody, body: LoweredBody, value: py.Expression, target: str, name: str
    ) -> py.Expression:
        for step in steps:
            match step:
                case Layer():
                    value = self.layer(step, value, target)
                case BlockCall():
                    value = self.call(step, self.bound(value, target))
                case Repeat():
                    value = self._repeat(step, value, target)
                case Choice():
                    value = self._choice(step, value, target)
                case Let():
                    self.body.append(constant(self._scope, step))
        return value

    def layer(
        self,
        layer: Layer,
        value: py.Expression,
        target: str,
        tensors: Mapping[str, py.Expression] | None = None,
    ) -> py.Expression:
        """What a layer makes of `value`; `tensors` are its weights by name, else they are popped."""
        function = layer.function
        if function is None:
            return value

        def make(x: py.Expression) -> py.Expression:
            weights = {weight.name: self._weight(weight, tensors) for weight in layer.weights}
            shared = {"training": py.Name("training"), "generator": py.Name("generator")}
            return torch_call(function, self._scope, {"x": x, **shared, **weights}, layer.span)

        return self.around(layer.operation, value, target, make)

    def _weight(self, weight: Weight, tensors: Mapping[str, py.Expression] | None) -> py.Expression:
        if weight.present == NO:
            return py.Literal(None)
        if tensors is not None:
            return tensors[weight.name]
        taken = NEXT_BUFFER if weight.kind == "buffers" else NEXT_PARAMETER
        if weight.present == YES:
            return taken
        return py.Operation("if", (self._scope(weight.present), taken, py.Literal(None)))

    def call(self, call: BlockCall, x: py.Expression) -> py.Expression:
        return call_of(self._blocks[call.block.name].forward, call, self._scope, (x,))

    def stage(self, stage: LoweredStage, x: py.Name) -> py.Expression:
        *before, last = stage.runs
        for run in before:
            self.assign(x.text, self._run(run, x))
        return self._run(last, x)

    def _run(self, run: Run, x: py.Name) -> py.Expression:
        with self._scope.loop(run.variable) as variable:
            made = self.call(run.call, x)
        if run.copies == 1:
            return made
        times = py.Call("range", (py.Literal(run.copies),))
        self.body.append(py.For(variable, times, (py.Assign(x.text, made),)))
        return x

    def _repeat(self, step: Repeat, value: py.Expression, target: str) -> py.Expression:
        x = self.assign(target, value)
        self.body += loop(self._scope, step, lambda: self.case(step.body, x, target, ()))
        return x

    def _choice(self, step: Choice, value: py.Expression, target: str) -> py.Expression:
        symbols, bodies = zip(*step.cases, strict=True)
        conditions = [operator("==", Ref(step.holder), Const(symbol)) for symbol in symbols[:-1]]
        return self.choose(conditions, bodies, value, target)

    def condition(self, expr: Expr, name: str) -> py.Expression:
        return self._scope(expr)

    def inlines(self, value: py.Expression) -> bool:
        return isinstance(value, py.Name)
