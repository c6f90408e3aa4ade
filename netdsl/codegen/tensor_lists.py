"""Lists of tensors in the functional style: statements that make parameters or buffers, in order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import groupby

from netdsl.base.values import Symbol
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.functional_forward import BlockFunctions
from netdsl.codegen.functional_init import FunctionalInit
from netdsl.codegen.list_builder import ListBuilder, loop
from netdsl.codegen.prune import pruned
from netdsl.codegen.signatures import call_of
from netdsl.ir.lowered import (
    BlockCall,
    Branches,
    Choice,
    Layer,
    Let,
    LoweredBody,
    LoweredStage,
    Repeat,
    Skip,
    When,
)
from netdsl.language.expressions import NO, YES, Const, Ref
from netdsl.ops.operation import Kind, Weight


class ListWriter:
    """Writes the statements that collect the `wanted` tensors of one function in the list `what`."""

    def __init__(
        self,
        what: str,
        wanted: Kind,
        blocks: Mapping[str, BlockFunctions],
        scope: Scope,
        inits: FunctionalInit,
    ) -> None:
        self._list = ListBuilder(what)
        self._wanted = wanted
        self._blocks = blocks
        self._scope = scope
        self._inits = inits

    def statements(self) -> tuple[py.Statement, ...]:
        """The statements, which return the list; none where it has nothing."""
        collected = pruned(self._list.statements("list[Tensor]"))
        last = collected[-1]
        if collected == (py.Assign(self._list.what, py.Sequence("[]", ()), annotation="list[Tensor]"),):
            return ()
        if isinstance(last, py.Assign) and last.operator == "=" and last.target == self._list.what:
            return (*collected[:-1], py.Return(last.value))
        return (*collected, py.Return(py.Name(self._list.what)))

    def stage(self, stage: LoweredStage) -> None:
        for run in stage.runs:
            if run.copies == 1:
                self._call(run.call)
                continue
            with self._scope.loop(run.variable) as variable:
                inside = self._list.inside(partial(self._call, run.call))
            self._list.write(py.For(variable, py.Call("range", (py.Literal(run.copies),)), inside))

    def body(self, body: LoweredBody) -> None:
        for step in body:
            match step:
                case Layer():
                    self._layer(step)
                case BlockCall():
                    self._call(step)
                case Skip(inner, shortcut, same):
                    self.body(inner)
                    if shortcut and same == NO:
                        self.body(shortcut)
                    elif shortcut:
                        self._list.write(py.If(py.negated(self._scope(same)), self._inside(shortcut)))
                case Branches(_, branches):
                    for branch in branches:
                        self.body(branch)
                case When(cases, otherwise):
                    conditions = [self._scope(condition) for condition, _ in cases]
                    inside = [self._inside(case) for _, case in cases]
                    self._list.write(py.either(zip(conditions, inside, strict=True), self._inside(otherwise)))
                case Choice():
                    self._choice(step)
                case Repeat():
                    self._list.write(*loop(self._scope, step, partial(self._inside, step.body)))
                case Let():
                    self._list.let(self._scope, step)

    def _inside(self, body: LoweredBody) -> tuple[py.Statement, ...]:
        return self._list.inside(partial(self.body, body))

    def _choice(self, step: Choice) -> None:
        holder = self._scope(Ref(step.holder))
        cases = [(symbol, self._inside(body)) for symbol, body in step.cases]
        some = [
            (py.Operation("==", (holder, py.Literal(symbol))), inside) for symbol, inside in cases if inside
        ]
        if some:
            self._list.write(py.either(some, ()))

    def _call(self, call: BlockCall) -> None:
        block = self._blocks[call.block.name]
        signature = block.params if self._wanted == "parameters" else block.buffers
        if signature is not None:
            self._list.extend(call_of(signature, call, self._scope))

    def _layer(self, layer: Layer) -> None:
        kernel = next((weight for weight in layer.weights if weight.role == "kernel"), None)
        wanted = (own for own in layer.weights if own.kind == self._wanted and own.present != NO)
        for present, weights in groupby(wanted, key=lambda weight: weight.present):
            made = [self._tensor(layer, weight, kernel) for weight in weights]
            if present == YES:
                self._list.add(*made)
            else:
                inside = self._list.inside(partial(self._list.add, *made))
                self._list.write(py.If(self._scope(present), inside))

    def _tensor(self, layer: Layer, weight: Weight, kernel: Weight | None) -> py.Expression:
        made = self._inits.tensor(layer, weight, kernel, self._scope)._replace(span=layer.span)
        trained = self._trained(layer, weight)
        if weight.kind == "buffers" or trained == py.Literal(True):
            return made
        return py.Method(made, "requires_grad_", (trained,))

    def _trained(self, layer: Layer, weight: Weight) -> py.Expression:
        """Whether the weight is trained: `freeze` is yes, no, or the name of one."""
        if isinstance(layer.freeze, Const):
            return py.Literal(layer.freeze.value not in (True, Symbol(weight.name)))
        frozen = py.Sequence("()", (py.Literal(True), py.Literal(weight.name)))
        return py.Operation("not in", (self._scope(layer.freeze), frozen))
