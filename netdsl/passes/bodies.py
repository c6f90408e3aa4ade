"""Shapes and costs of bodies. Each distinct instance of a block is inferred once, and equal iterations of
a `repeat` are one, so that the cost doesn't grow with either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, cast

from netdsl.arguments import Mismatch, convert
from netdsl.diagnostics import Diagnostics
from netdsl.expressions import Environment, Expr, evaluate
from netdsl.ops.base import Misfit, Shape
from netdsl.passes.calls import wrong_argument
from netdsl.passes.effects import Effect, effect
from netdsl.passes.joins import Joins
from netdsl.passes.resolve import MAX_REPEAT
from netdsl.passes.state import State
from netdsl.resolved import (
    BlockDefinition,
    BlockStep,
    Body,
    Bound,
    BranchesStep,
    FromStep,
    HeldStep,
    LetStep,
    OperationStep,
    RepeatStep,
    ResolvedNetwork,
    SaveStep,
    SkipStep,
    Step,
    WhenStep,
    names,
)
from netdsl.source import Span
from netdsl.typed import (
    NOTHING,
    Frame,
    Instance,
    TypedBody,
    TypedBranches,
    TypedCall,
    TypedHeld,
    TypedLet,
    TypedMark,
    TypedOperation,
    TypedRepeat,
    TypedSkip,
    TypedStep,
    TypedWhen,
)
from netdsl.values import Symbol, Value, show

# How many blocks may differ in their arguments or inputs.
MAX_INSTANCES = 10_000
# How many steps are looked at; those of equal blocks and iterations count once.
MAX_STEPS = 100_000
# How deep blocks and steps with bodies may be nested.
MAX_DEPTH = 100


class Place(NamedTuple):
    """A point of a body: what names and saved tensors are there. Both grow as the body goes on."""

    values: dict[str, Value]
    frame: Frame
    saved: dict[str, State]

    @classmethod
    def root(cls, values: Mapping[str, Value]) -> Place:
        own = dict(values)
        return cls(own, Frame(own), {})

    def inner(self, **more: Value) -> Place:
        values = {**self.values, **more}
        return Place(values, Frame(values, self.frame), dict(self.saved))


class Bodies:
    """Infers bodies of one network; `trace` says where we are, outermost first."""

    def __init__(self, network: ResolvedNetwork, diagnostics: Diagnostics) -> None:
        self._network = network
        self._diagnostics = diagnostics
        self._blocks = {block.key: block for block in network.blocks}
        self._instances: dict[tuple[object, ...], tuple[Instance, State] | None] = {}
        self._effects: dict[tuple[object, ...], Effect] = {}
        self.trace: list[str] = []
        self._joins = Joins(diagnostics, self.trace)
        self._depth = 0
        self._steps = 0

    def instances(self) -> tuple[Instance, ...]:
        """All distinct ones, inner blocks before those that call them."""
        return tuple(found[0] for found in self._instances.values() if found)

    def section(self, body: Body, state: State) -> tuple[TypedBody, State] | None:
        """A section's body: from the input's state to the output's."""
        return self._body(body, Place.root({"in": state.shape[0]}), state)

    def call(
        self, name: str, bound: Bound, span: Span, environment: Environment, state: State
    ) -> tuple[Instance, State] | None:
        """A block with its arguments."""
        values = self._values(bound, environment)
        if values is None:
            return None
        block = self._blocks[name]
        inside: dict[str, Value] = {"in": state.shape[0]}
        for parameter, default in block.parameters:
            value = (
                values[parameter]
                if parameter in values
                else evaluate(cast(Expr, default), inside, self._diagnostics)
            )
            if value is None:
                return None
            inside[parameter] = value
        key = (name, state.shape, tuple((type(value), value) for value in inside.values()))
        if key not in self._instances:
            self._instances[key] = self._instance(block, inside, state.shape)
        found = self._instances[key]
        return found and (found[0], state.after(found[1]))

    def _instance(
        self, block: BlockDefinition, values: Mapping[str, Value], shape: Shape
    ) -> tuple[Instance, State] | None:
        if len(self._instances) >= MAX_INSTANCES:
            message = f"more than {MAX_INSTANCES:,} blocks with different arguments or inputs"
            self._error("NET602", message, self._network.span, "let more of them be alike")
            return None
        self.trace.append(f"{block.name}({_shown(block, values)})")
        result = self._body(block.body, Place.root(values), State(shape))
        self.trace.pop()
        return (Instance(block, values, shape, result[0]), result[1]) if result else None

    def _error(self, code: str, message: str, span: Span, help: str) -> None:
        self._diagnostics.error(code, message, span, notes=self._joins.notes(), help=help)

    # steps

    def _body(self, body: Body, place: Place, state: State) -> tuple[TypedBody, State] | None:
        if body and self._depth >= MAX_DEPTH:
            message = f"blocks and steps are nested more than {MAX_DEPTH} deep"
            self._diagnostics.error("NET104", message, body[0].span, help="nest fewer of them")
            return None
        self._depth += 1
        start, steps = state, []
        for step in body:
            result = self._step(step, place, state)
            if result is None:
                break
            typed, state = result
            steps.append(typed)
        self._depth -= 1
        if len(steps) < len(body):
            return None
        cost = sum((step.cost for step in steps), NOTHING)
        return TypedBody(tuple(steps), place.frame, start.shape, state.shape, cost), state

    def _step(self, step: Step, place: Place, state: State) -> tuple[TypedStep, State] | None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            message = f"the network has more than {MAX_STEPS:,} different steps"
            self._error("NET602", message, step.span, "repeat less")
            return None
        match step:
            case OperationStep():
                return self._operation(step, place.values, state)
            case BlockStep():
                return self._call(step, place.values, state)
            case HeldStep():
                return self._held(step, place, state)
            case SkipStep():
                return self._skip(step, place, state)
            case BranchesStep():
                return self._branches(step, place, state)
            case RepeatStep():
                return self._repeat(step, place, state)
            case WhenStep():
                return self._when(step, place, state)
            case LetStep(name, expr):
                value = evaluate(expr, place.values, self._diagnostics)
                if value is None:
                    return None
                place.values[name] = value
                return TypedLet(step, value, state.shape), state
            case SaveStep(name):
                place.saved[name] = state
                return TypedMark(step, state.shape), state
            case FromStep(name):
                state = place.saved[name]
                return TypedMark(step, state.shape), state

    def _operation(
        self, step: OperationStep, environment: Environment, state: State
    ) -> tuple[TypedOperation, State] | None:
        values = self._values(step.arguments, environment)
        if values is None:
            return None
        # A number and a yes or no may be equal in Python: 1 and True.
        key = (step.operation, state.shape, *((type(value), value) for value in values.values()))
        found = self._effects.get(key)
        if found is None:
            operation = convert(step.operation, values)
            if isinstance(operation, dict):
                self._wrong_arguments(step, operation, values)
                return None
            output = operation.infer(state.shape)
            if isinstance(output, Misfit):
                self._error("NET402", output.message, step.span, output.help)
                return None
            found = self._effects[key] = effect(operation, values, state.shape, output)
        typed = TypedOperation(step, found.operation, state.shape, found.output, found.cost)
        irregular = None if found.regular else step
        return typed, state.through(found.output, found.reduction, found.window, found.deep, irregular)

    def _wrong_arguments(
        self, step: OperationStep, wrong: Mapping[str, Mismatch], values: Mapping[str, Value]
    ) -> None:
        exprs = dict(step.arguments)
        for name, mismatch in wrong.items():
            expr = exprs[name]
            place = expr if expr.span else replace(expr, span=step.span)
            notes = self._joins.notes()
            wrong_argument(step.operation.name, name, place, mismatch, self._diagnostics, values[name], notes)

    def _call(
        self, step: BlockStep, environment: Environment, state: State
    ) -> tuple[TypedCall, State] | None:
        found = self.call(step.block, step.arguments, step.span, environment, state)
        return (TypedCall(step, found[0]), found[1]) if found else None

    def _held(self, step: HeldStep, place: Place, state: State) -> tuple[TypedHeld, State] | None:
        value = place.values[step.holder]
        name = value.name if isinstance(value, Symbol) else ""
        held = dict(step.cases).get(name) if name else step.fallback
        if held is None:
            if misfit := dict(step.misfits).get(name):
                notes = (*misfit.notes, f"`{step.holder}` is `{name}` here", *self._joins.notes())
                self._diagnostics.add(replace(misfit, notes=notes))
            else:
                message = f"`{step.holder}` is {show(value)}, and no operation or block"
                self._error("NET302", message, step.span, f"give it one, as in `{step.holder}=relu`")
            return None
        found = (
            self._operation(held, place.values, state)
            if isinstance(held, OperationStep)
            else self._call(held, place.values, state)
        )
        return (TypedHeld(step, name, found[0]), found[1]) if found else None

    def _values(self, bound: Bound, environment: Environment) -> dict[str, Value] | None:
        values = {name: evaluate(expr, environment, self._diagnostics) for name, expr in bound}
        found = {name: value for name, value in values.items() if value is not None}
        return found if len(found) == len(values) else None

    # steps with bodies

    def _when(self, step: WhenStep, place: Place, state: State) -> tuple[TypedWhen, State] | None:
        chosen, body = len(step.cases), step.otherwise
        for index, (condition, inside) in enumerate(step.cases):
            value = evaluate(condition, place.values, self._diagnostics)
            if value is None:
                return None
            if not isinstance(value, bool):
                message = f"a condition is `yes` or `no`, and this is {show(value)}"
                span = condition.span or step.span
                self._error("NET303", message, span, "compare it, as in `x == 1`")
                return None
            if value:
                chosen, body = index, inside
                break
        result = self._body(body, place.inner(), state)
        return (TypedWhen(step, chosen, result[0]), result[1]) if result else None

    def _repeat(self, step: RepeatStep, place: Place, state: State) -> tuple[TypedRepeat, State] | None:
        times = evaluate(step.times, place.values, self._diagnostics)
        if times is None:
            return None
        if not isinstance(times, int) or isinstance(times, bool) or not 0 <= times <= MAX_REPEAT:
            message = f"`repeat` takes a whole number from 0 to {MAX_REPEAT:,}, and this is {show(times)}"
            self._error("NET302", message, step.times.span or step.span, "as in `repeat 3 { … }`")
            return None
        by_index = step.variable is not None and step.variable in names(step.body)
        runs: list[tuple[TypedBody, int]] = []
        for index in range(times):
            more: dict[str, Value] = {} if step.variable is None else {step.variable: index}
            before = state
            result = self._body(step.body, place.inner(**more), state)
            if result is None:
                return None
            body, state = result
            runs.append((body, 1))
            if state.shape == before.shape and not by_index:  # all others are equal to this one
                runs[-1] = (body, times - index)
                state = before.repeated(state, times - index)
                break
        return TypedRepeat(step, tuple(runs), state.shape), state

    def _branches(self, step: BranchesStep, place: Place, state: State) -> tuple[TypedBranches, State] | None:
        results = [self._body(branch, place.inner(), state) for branch in step.branches]
        found = [result for result in results if result is not None]
        if len(found) < len(results):
            return None
        joined = self._joins.branches(step, state, [end for _, end in found])
        if joined is None:
            return None
        after, grid = joined
        return TypedBranches(step, tuple(body for body, _ in found), grid, after.shape), after

    def _skip(self, step: SkipStep, place: Place, state: State) -> tuple[TypedSkip, State] | None:
        result = self._body(step.body, place.inner(), state)
        if result is None or not self._joins.regular(step, state, result[1]):
            return None
        body, end = result
        # Judged from channels and strides, never from one input size.
        same = end.shape[0] == state.shape[0] and len(end.shape) == len(state.shape)
        same = same and end.reduction == state.reduction
        if same and end.shape != state.shape:
            self._joins.uneven(step, state, end)
            return None
        drop_path: TypedOperation | None = None
        if step.drop_path and (same or not step.if_same):
            dropped = self._operation(step.drop_path, place.values, end)
            if dropped is None:
                return None
            drop_path = dropped[0]
        if same or step.if_same:
            return TypedSkip(step, body, None, same, drop_path, end.shape), end.deepest(state)
        if step.shortcut is None:
            self._joins.missing_shortcut(step, body, state, end)
            return None
        shortcut = self._body(step.shortcut, place.inner(), state)
        if shortcut is None or not self._joins.regular(step, state, shortcut[1]):
            return None
        if not self._joins.agree(step, end, shortcut[1]):
            return None
        after = end.deepest(shortcut[1])
        return TypedSkip(step, body, shortcut[0], same, drop_path, end.shape), after


def _shown(block: BlockDefinition, values: Mapping[str, Value]) -> str:
    """The arguments of a block: required ones by position, the others by name."""
    return ", ".join(
        show(values[name]) if default is None else f"{name}={show(values[name])}"
        for name, default in block.parameters
    )
