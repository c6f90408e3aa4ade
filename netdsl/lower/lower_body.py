"""Lowers bodies, over the parameters of their block.

A body is lowered once for all frames in which it runs: those of the block's instances and of a loop's
iterations. If these can't have the same code, `NotUniform` is raised; a loop is then written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from netdsl.base.source import Span
from netdsl.base.values import Symbol, Value
from netdsl.ir import lowered as ir
from netdsl.ir.resolved import SaveStep
from netdsl.ir.typed import (
    Frame,
    Instance,
    TypedBody,
    TypedBranches,
    TypedCall,
    TypedEach,
    TypedLet,
    TypedMark,
    TypedOperation,
    TypedParameterCall,
    TypedRepeat,
    TypedSkip,
    TypedStep,
    TypedWhen,
)
from netdsl.language.expressions import NO, ONE, YES, Const, Expr, Operator, Ref, operator, substitute
from netdsl.lower.context import Context, NotUniform, Values, of_frame
from netdsl.lower.flow import Flow, Saved
from netdsl.lower.loops import Loops
from netdsl.lower.parameter_types import paired
from netdsl.lower.python_arithmetic import length
from netdsl.ops.operation import Shape, Symbolic

T = TypeVar("T", bound=TypedStep)

# The same body or step in each frame that reaches it.
Bodies: TypeAlias = Sequence[tuple[Frame, TypedBody]]
Column: TypeAlias = Mapping[Frame, T]


class Blocks(Protocol):
    """The lowered blocks, which bodies call."""

    def block(self, instance: Instance) -> ir.LoweredBlock: ...

    def extra(self, instance: Instance) -> Mapping[str, Values]: ...


class BodyLowering:
    """Lowers the bodies of one block or section."""

    def __init__(self, blocks: Blocks, context: Context) -> None:
        self._blocks = blocks
        self._context = context
        self._lowering: Mapping[type, Callable[[Any, Flow], Sequence[ir.LoweredStep]]] = {
            TypedOperation: self._operation,
            TypedCall: self._call,
            TypedParameterCall: self._parameter_call,
            TypedSkip: self._skip,
            TypedBranches: self._branches,
            TypedRepeat: Loops(context, self.body).repeat,
            TypedEach: self._each,
            TypedWhen: self._when,
            TypedLet: self._let,
            TypedMark: self._mark,
        }

    def body(self, bodies: Bodies, flow: Flow) -> ir.LoweredBody:
        """The steps of a body; `flow` ends after it."""
        steps: list[ir.LoweredStep] = []
        for index in range(len(bodies[0][1].steps)):
            steps += self._step({frame: body.steps[index] for frame, body in bodies}, flow)
        return tuple(steps)

    def _step(self, column: Mapping[Frame, TypedStep], flow: Flow) -> Sequence[ir.LoweredStep]:
        lower = self._lowering[type(next(iter(column.values())))]
        return lower(column, flow)

    # layers and calls

    def _operation(self, column: Column[TypedOperation], flow: Flow) -> Sequence[ir.LoweredStep]:
        return (self._layer(column, flow),)

    def _layer(self, column: Column[TypedOperation], flow: Flow) -> ir.Layer:
        first = next(iter(column.values()))
        if any(len(typed.input) != len(first.input) for typed in column.values()):
            raise NotUniform
        step = first.step
        operation, x = step.operation, flow.tensor
        arguments = {name: self._context.argument(expr, flow.names, column) for name, expr in step.arguments}
        arguments |= {name: self._fixed(arguments[name], column) for name in operation.fixed}
        if operation.sized:
            areas: Values = {frame: math.prod(typed.input[1:]) for frame, typed in column.items()}
            x = x._replace(positions=self._context.as_parameter(areas, "positions"))
        layer = ir.Layer(
            operation,
            operation.module(arguments, x),
            operation.function(arguments, x),
            operation.weights(arguments, x),
            step.label,
            step.unit or step.span,
            step.last_norm,
            arguments.get("freeze", NO),
        )
        output = operation.flow(arguments, x)
        if output is None:
            sizes: Values = {frame: typed.output[0] for frame, typed in column.items()}
            output = Symbolic(self._context.as_parameter(sizes, "features"), is_map=len(first.output) == 3)
        output = Symbolic(self._context.bounded(output.size, column), output.is_map)
        regular = all(typed.operation.keeps_grid() for typed in column.values())
        flow.advance(output, operation.reduction(arguments) if regular else None)
        return layer

    def _fixed(self, expr: Expr, column: Column[TypedOperation]) -> Expr:
        """A constant for an argument whose value is a word or a flag."""
        values = {self._context.value(expr, frame) for frame in column}
        if not any(isinstance(value, (Symbol, bool)) for value in values):
            return expr
        if len(values) > 1:
            raise NotUniform
        return Const(cast(Value, values.pop()))

    def _call(self, column: Column[TypedCall], flow: Flow) -> Sequence[ir.LoweredStep]:
        instances = {frame: typed.instance for frame, typed in column.items()}
        first = next(iter(column.values()))
        instance, step = first.instance, first.step
        block = self._blocks.block(instance)
        if any(self._blocks.block(other) is not block for other in instances.values()):
            raise NotUniform
        names: dict[str, Expr] = {"in": flow.tensor.size}
        given = dict(step.arguments)
        defaults = dict(instance.block.parameters)
        extra = self._blocks.extra(instance)
        for parameter in block.parameters:
            name = parameter.name
            if name in extra:
                told = {frame: of_frame(inner.frame, extra[name]) for frame, inner in instances.items()}
                names[name] = self._context.as_parameter(told, name.rstrip("0123456789"))
            elif name in given:
                expr = self._context.argument(given[name], flow.names, instances)
                names[name] = paired(expr, parameter)
            else:
                # A default can use the parameters before it.
                expr = self._context.argument(cast(Expr, defaults[name]), names, instances)
                names[name] = paired(expr, parameter)
        call = block_call(block, flow.tensor.size, names, step.label, step.span)
        if block.output.size is None:
            size = self._context.as_parameter(
                {frame: inner.output[0] for frame, inner in instances.items()}, "size"
            )
        else:
            size = self._context.bounded(substitute(block.output.size, names), instances)
        reduction = block.reduction and substitute(block.reduction, names)
        reduction = reduction and self._context.bounded(reduction, instances)
        flow.advance(Symbolic(size, block.output.is_map), reduction)
        return (call,)

    def _parameter_call(self, column: Column[TypedParameterCall], flow: Flow) -> Sequence[ir.LoweredStep]:
        groups: dict[str, dict[Frame, TypedStep]] = {}
        for frame, typed in column.items():
            groups.setdefault(typed.name, {})[frame] = typed.call
        name = next(iter(column.values())).step.holder
        # If the parameter differs between instances, all calls of it in the block are choices.
        held = {instance.values.get(name) for instance in self._context.instances}
        if len(groups) == 1 and ("" in groups or len(held) < 2):
            return self._step(next(iter(groups.values())), flow)
        holder = flow.names.get(name) or Ref(name)
        if not isinstance(holder, Ref) or "" in groups:
            raise NotUniform
        cases: list[tuple[Symbol, ir.LoweredBody]] = []
        ends: list[tuple[Expr, Flow]] = []
        for name, part in groups.items():
            inner = flow.inner()
            cases.append((Symbol(name), tuple(self._step(part, inner))))
            ends.append((Operator("==", (holder, Const(Symbol(name)))), inner))
        self._meet(ends, flow, column)
        return (ir.Choice(holder.name, tuple(cases)),)

    def _meet(self, ends: Sequence[tuple[Expr, Flow]], flow: Flow, column: Mapping[Frame, TypedStep]) -> None:
        """Continues with the results of several bodies; the condition of the last one is ignored."""
        *others, (_, last) = ends
        if any(end.tensor.is_map != last.tensor.is_map for _, end in others):
            raise NotUniform
        size, reduction = last.tensor.size, last.reduction
        for condition, end in reversed(others):
            size = operator("if", condition, end.tensor.size, size)
            if reduction is not None:
                reduction = end.reduction and operator("if", condition, end.reduction, reduction)
        # A simple expression is better, if it holds for all: `hidden`, which is `in` without an expansion.
        size = self._context.simplest(size, [end.tensor.size for _, end in ends], column)
        if reduction is not None:
            reduction = self._context.simplest(reduction, [end.reduction or ONE for _, end in ends], column)
        flow.tensor = Symbolic(self._context.bounded(size, column), last.tensor.is_map)
        flow.reduction = reduction and self._context.bounded(reduction, column)

    # constants and tensors

    def _let(self, column: Column[TypedLet], flow: Flow) -> Sequence[ir.LoweredStep]:
        step = next(iter(column.values())).step
        expr = self._context.argument(step.value, flow.names, column)
        if isinstance(expr, (Const, Ref)) or (isinstance(expr, Operator) and expr.name == "pair"):
            flow.names[step.name] = expr
            return ()
        name = self._context.free(step.name)
        self._context.define(name, {frame: typed.value for frame, typed in column.items()})
        self._context.lets[name] = expr
        flow.names[step.name] = Ref(name)
        return (ir.Let(name, expr),)

    def _mark(self, column: Column[TypedMark], flow: Flow) -> Sequence[ir.LoweredStep]:
        step, shape, _ = next(iter(column.values()))
        if isinstance(step, SaveStep):
            name = self._context.free(step.name)
            flow.saved[step.name] = Saved(name, flow.tensor, flow.reduction)
            return (ir.Save(name),)
        return (ir.From(_take(flow, step.name, shape)),)

    def _each(self, column: Column[TypedEach], flow: Flow) -> Sequence[ir.LoweredStep]:
        first = next(iter(column.values()))
        names, lowered = [], []
        for n, name in enumerate(first.step.names):
            names.append(_take(flow, name, first.tensors[n].input))
            lowered.append(self.body([(frame, typed.tensors[n]) for frame, typed in column.items()], flow))
            flow.saved[name] = Saved(names[-1], flow.tensor, flow.reduction)
        return (ir.Each(tuple(names), lowered[0]),)

    # joins

    def _branches(self, column: Column[TypedBranches], flow: Flow) -> Sequence[ir.LoweredStep]:
        first = next(iter(column.values()))
        lowered, ends = [], []
        for index in range(len(first.branches)):
            ends.append(flow.inner())
            lowered.append(
                self.body([(frame, typed.branches[index]) for frame, typed in column.items()], ends[-1])
            )
        if first.step.join == "concat":
            size = ends[0].tensor.size
            for end in ends[1:]:
                size = operator("+", size, end.tensor.size)
        else:
            size = min((end.tensor.size for end in ends), key=length)
        grids = {typed.grid for typed in column.values()}
        chosen = grids.pop() if len(grids) == 1 else None
        flow.reduction = None if chosen is None else ends[chosen].reduction
        flow.tensor = Symbolic(self._context.bounded(size, column), ends[0].tensor.is_map)
        return (ir.Branches(first.step.join, tuple(lowered), first.step.span),)

    def _skip(self, column: Column[TypedSkip], flow: Flow) -> Sequence[ir.LoweredStep]:
        step = next(iter(column.values())).step
        inner = flow.inner()
        inner.reduction = ONE
        body = self.body([(frame, skip.body) for frame, skip in column.items()], inner)
        projected = [(frame, skip.shortcut) for frame, skip in column.items() if skip.shortcut]
        shortcut: ir.LoweredBody | None = None
        if projected:
            shortcut = self.body(projected, flow.inner())
        # If no instance needs the shortcut, the input itself is added.
        same = self._same(column, flow, inner) if projected or step.if_same else YES
        dropped = {frame: skip.drop_path for frame, skip in column.items() if skip.drop_path}
        drop_path = self._layer(dropped, inner.inner()) if dropped else None
        flow.advance(inner.tensor, inner.reduction)
        return (ir.Skip(body, None if same == YES else shortcut, same, step.span, drop_path),)

    def _same(self, column: Column[TypedSkip], before: Flow, after: Flow) -> Expr:
        """The expression for a body that keeps the shape: by strides and channels, or an extra parameter."""
        values: Values = {frame: skip.same for frame, skip in column.items()}
        if after.reduction is not None:
            unchanged = operator("==", after.reduction, ONE)
            kept = operator("==", before.tensor.size, after.tensor.size)
            same = operator("and", unchanged, kept)
            if all(self._context.value(same, frame) == value for frame, value in values.items()):
                return same
        return self._context.as_parameter(values, "same")

    # choices and loops

    def _when(self, column: Column[TypedWhen], flow: Flow) -> Sequence[ir.LoweredStep]:
        step = next(iter(column.values())).step
        left = dict(column)
        cases: list[tuple[Expr, ir.LoweredBody]] = []
        ends: list[tuple[Expr, Flow]] = []
        for index in range(len(step.cases) + 1):
            part = [(frame, typed.body) for frame, typed in left.items() if typed.chosen == index]
            if not part:
                continue
            inner = flow.inner()
            if len(part) == len(left):  # the last case, which needs no condition
                body = self.body(part, inner)
                ends.append((YES, inner))
                self._meet(ends, flow, column)
                if not cases:  # What a section saves here is known in those after it.
                    flow.saved.update(inner.saved)
                return (ir.When(tuple(cases), body),) if cases else body
            condition = self._context.argument(step.cases[index][0], flow.names, left)
            cases.append((condition, self.body(part, inner)))
            ends.append((condition, inner))
            left = {frame: typed for frame, typed in left.items() if typed.chosen != index}
        raise AssertionError("every frame has chosen a body")


def _take(flow: Flow, name: str, shape: Shape) -> str:
    """Continues with a saved tensor; returns its unique name."""
    own, tensor, flow.reduction = flow.saved[name]
    flow.tensor = tensor or Symbolic(Const(shape[0]), is_map=len(shape) == 3)
    return own


def block_call(
    block: ir.LoweredBlock, size: Expr, values: Mapping[str, Expr], label: str | None, span: Span
) -> ir.BlockCall:
    """The call with the arguments that differ from the block's defaults."""
    given = ((p.name, values[p.name]) for p in block.parameters if values[p.name] != p.default)
    return ir.BlockCall(block, size, tuple(given), label, span)
