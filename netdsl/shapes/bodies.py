"""Shapes and costs of bodies.

Each distinct instance of a block is inferred once, and so are equal iterations of a `repeat`, so that the
time doesn't grow with their number. After an error the shape of the tensor is unknown; steps that depend on
it are not checked, all others are. A step with an error has no typed form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from netdsl.base.source import Span
from netdsl.base.values import Symbol, Value
from netdsl.ir.resolved import (
    BlockDefinition,
    BlockStep,
    Body,
    Bound,
    BranchesStep,
    EachStep,
    FromStep,
    LetStep,
    OperationStep,
    ParameterCallStep,
    RepeatStep,
    ResolvedNetwork,
    SaveStep,
    SkipStep,
    Step,
    WhenStep,
    WrongStep,
    names,
)
from netdsl.ir.typed import (
    NOTHING,
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
from netdsl.language.expressions import Environment, Ref, compared, not_a_condition
from netdsl.resolve.calls import not_callable
from netdsl.resolve.counts import count_error
from netdsl.shapes.body_scope import BodyScope, beginning, entering
from netdsl.shapes.error_reporter import ErrorReporter, Via
from netdsl.shapes.joins import Joins
from netdsl.shapes.operations import Operations
from netdsl.shapes.repair.change import Attempt
from netdsl.shapes.repair.search import RepairSearch
from netdsl.shapes.shared_weights import SharedWeights
from netdsl.shapes.tensor_state import TensorState

# Limit for blocks with different arguments or inputs.
MAX_INSTANCES = 10_000
# Limit for steps; those of equal blocks and iterations count once.
MAX_STEPS = 100_000
# Limit for operations with different arguments or inputs, which take most of the time.
MAX_OPERATIONS = 20_000
# Limit for the nesting of blocks and bodies.
MAX_DEPTH = 100


class TooLarge(Exception):
    """The network is beyond a limit, which was reported. Ends the inference, which catches it."""


class Bodies:
    """Infers the bodies of a network with at most `most` steps. Without an `attempt`, it searches no
    repairs.
    """

    def __init__(
        self, network: ResolvedNetwork, reports: ErrorReporter, attempt: Attempt | None, most: int = MAX_STEPS
    ) -> None:
        self._most = most
        self._sound = network.sound
        self._reports = reports
        self._blocks = {block.key: block for block in network.blocks}
        self._instances: dict[tuple[object, ...], tuple[Instance, TensorState]] = {}
        self._operations = Operations(reports, attempt)
        self._joins = Joins(reports)
        self._shared = SharedWeights(network, reports, attempt)
        self._repair = RepairSearch(network, self._joins, attempt, self._leads)
        self._depth = 0
        self._steps = 0

    @property
    def steps(self) -> int:
        """The number of steps inferred so far."""
        return self._steps

    def instances(self) -> tuple[Instance, ...]:
        """All distinct instances, called ones before their callers."""
        return tuple(instance for instance, _ in self._instances.values())

    def section(
        self, body: Body, state: TensorState, saved: dict[str, TensorState]
    ) -> tuple[TypedBody, TensorState]:
        """The typed body of a section, and the state after it; `saved` are the tensors of all sections."""
        return self._body(body, BodyScope.root(entering(state), saved), state)

    def call(
        self, name: str, bound: Bound, span: Span, environment: Environment, state: TensorState
    ) -> tuple[Instance, TensorState]:
        """The instance of a block with arguments, and the state after it."""
        self._count(span)
        block = self._blocks[name]
        given = self._reports.values(bound, environment)
        wrong = {parameter for parameter, _ in bound} - given.keys()
        inside: dict[str, Value] = entering(state)
        for parameter, default in block.parameters:
            value = given.get(parameter)
            if value is None and parameter not in wrong and default is not None:
                value = self._reports.value(default, inside)
            if value is not None:
                inside[parameter] = value
        key = (name, state.shape, tuple((n, type(value), value) for n, value in inside.items()))
        found = self._instances.get(key)
        if found is None:
            via = Via.of(block, bound, inside, span, environment)
            found = self._instances[key] = self._instance(block, inside, via, state)
        instance, end = found
        after = state.after(end)
        # The origin of a shape in another file is the call.
        foreign = end.made and end.made.source is not span.source
        return instance, after._replace(made=span) if foreign else after

    def _instance(
        self, block: BlockDefinition, values: Mapping[str, Value], via: Via, state: TensorState
    ) -> tuple[Instance, TensorState]:
        if len(self._instances) >= MAX_INSTANCES:
            message = f"more than {MAX_INSTANCES:,} blocks with different arguments or inputs"
            self._too_large("NET602", message, via.span, "give more of them the same arguments and inputs")
        self._reports.way.append(via)
        body, end = self._body(block.body, BodyScope.root(values), beginning(state))
        self._reports.way.pop()
        # Other calls of the instance have an input from elsewhere.
        made = None if end.made is state.made else end.made
        end = end._replace(made=made, sizes=end.sizes[len(state.sizes) :])
        return Instance(block, values, state.shape, body), end

    def _count(self, span: Span) -> None:
        self._steps += 1
        if self._steps > self._most:
            message = f"the network has more than {self._most:,} different steps"
            self._too_large("NET602", message, span, "use fewer or more similar blocks")
        if self._operations.different > MAX_OPERATIONS:
            message = f"more than {MAX_OPERATIONS:,} operations with different arguments or inputs"
            self._too_large("NET602", message, span, "use fewer or more similar blocks")

    def _too_large(self, code: str, message: str, span: Span, help: str) -> None:
        self._reports.error(code, message, span, help=help)
        raise TooLarge

    # steps

    def _body(self, body: Body, place: BodyScope, state: TensorState) -> tuple[TypedBody, TensorState]:
        if body and self._depth >= MAX_DEPTH:
            message = f"blocks and steps are nested more than {MAX_DEPTH} deep"
            self._too_large("NET104", message, body[0].span, "nest fewer of them")
        self._depth += 1
        start, steps = state, []
        for step in body:
            typed, state = self._step(step, place, state)
            if typed is not None:
                steps.append(typed)
        self._depth -= 1
        cost = sum((step.cost for step in steps), NOTHING)
        return TypedBody(tuple(steps), place.frame, start.shape, state.shape, cost), state

    def _step(self, step: Step, place: BodyScope, state: TensorState) -> tuple[TypedStep | None, TensorState]:
        self._count(step.span)
        match step:
            case OperationStep():
                return self._operations.apply(step, place.values, state)
            case BlockStep():
                return self._call(step, place.values, state)
            case ParameterCallStep():
                return self._parameter_call(step, place, state)
            case SkipStep():
                return self._skip(step, place, state)
            case BranchesStep():
                return self._branches(step, place, state)
            case RepeatStep():
                return self._repeat(step, place, state)
            case EachStep():
                return self._each(step, place, state)
            case WhenStep():
                return self._when(step, place, state)
            case LetStep(name, expr):
                value = self._reports.value(expr, place.values)
                if value is None:
                    return None, state
                place.values[name] = value
                return TypedLet(step, value, state.shape), state
            case SaveStep(name):
                place.saved[name] = state
                return TypedMark(step, state.shape), state
            case FromStep(name):
                found = self._saved(name, step.span, place, "from")
                return (TypedMark(step, found.shape), found) if found else (None, state.lost())
            case WrongStep():
                return None, state if step.keeps_shape else state.lost()

    def _saved(self, name: str, span: Span, place: BodyScope, word: str) -> TensorState | None:
        """A saved tensor, for a step that starts with `word`; None after an error."""
        if name not in place.saved and self._sound:  # Otherwise it may be in what had an error.
            message = f"`{name}` is saved in a case of a `when` that isn't chosen"
            help = f"write the `{word}` into a `when` with the same condition"
            self._reports.error("undefined-tensor", message, span, help=help)
        return place.saved.get(name)

    def _call(
        self, step: BlockStep, environment: Environment, state: TensorState
    ) -> tuple[TypedCall, TensorState]:
        instance, state = self.call(step.block, step.arguments, step.span, environment, state)
        return TypedCall(step, instance), state

    def _parameter_call(
        self, step: ParameterCallStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedParameterCall | None, TensorState]:
        value = place.values.get(step.holder)
        if value is None:
            return None, state.lost()
        name = value.name if isinstance(value, Symbol) else ""
        held = dict(step.cases).get(name) if name else step.fallback
        if held is None:
            if mismatch := dict(step.shape_errors).get(name):
                note = f"`{step.holder}` is `{name}` here"
                self._reports.add(replace(mismatch, notes=(*mismatch.notes, note)))
            else:
                message, help = not_callable(step.holder, value)
                holder = Ref(step.holder, step.span)
                self._reports.wrong("NET302", message, holder, place.values, help=help)
            return None, state.lost()
        found: tuple[TypedOperation | TypedCall | None, TensorState] = (
            self._operations.apply(held, place.values, state)
            if isinstance(held, OperationStep)
            else self._call(held, place.values, state)
        )
        return (TypedParameterCall(step, name, found[0]) if found[0] else None), found[1]

    # steps with bodies

    def _when(
        self, step: WhenStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedWhen | None, TensorState]:
        chosen, body = len(step.cases), step.otherwise
        for index, (condition, inside) in enumerate(step.cases):
            value = self._reports.value(condition, place.values)
            if value is None:
                return None, state.lost()
            if not isinstance(value, bool):
                span = condition.span or step.span
                self._reports.error("NET303", not_a_condition(value), span, help=compared(span, value))
                return None, state.lost()
            if value:
                chosen, body = index, inside
                break
        typed, state = self._body(body, place.inner()._replace(saved=place.saved), state)
        return TypedWhen(step, chosen, typed), state

    def _repeat(
        self, step: RepeatStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedRepeat | None, TensorState]:
        times = self._reports.value(step.times, place.values)
        written = self._reports.written(step.times, place.values).expr.span
        error = None if times is None else count_error(times, written, low=0)
        if error:
            self._reports.wrong(error.code, error.message, step.times, place.values, help=error.help)
        if error or not isinstance(times, int):
            _, once = self._body(step.body, place.inner(), state)
            return None, state if once.shape == state.shape else state.lost()
        by_index = step.variable is not None and step.variable in names(step.body)
        runs: list[tuple[TypedBody, int]] = []
        for index in range(times):
            more: dict[str, Value] = {} if step.variable is None else {step.variable: index}
            before = state
            body, state = self._body(step.body, place.inner(**more), state)
            runs.append((body, 1))
            if state.shape == before.shape and not by_index:  # the others are equal
                runs[-1] = (body, times - index)
                state = before.repeated(state, times - index)
                break
        return TypedRepeat(step, tuple(runs), state.shape), state

    def _each(
        self, step: EachStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedEach | None, TensorState]:
        if not step.names:  # none of them is known
            return None, state.lost()
        named = zip(step.names, step.spans, strict=True)
        starts = [self._saved(name, span, place, "each") or state.lost() for name, span in named]
        for n in self._shared.unlike(step, starts):
            starts[n] = starts[n].lost()
        found = [self._body(step.body, place.inner(), start) for start in starts]
        place.saved.update(zip(step.names, (end for _, end in found), strict=True))
        typed, end = TypedEach(step, tuple(body for body, _ in found)), found[-1][1]
        if not all(end.known for _, end in found):
            return None, end
        self._shared.check(step, typed.instances)
        return typed, end

    def _branches(
        self, step: BranchesStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedBranches, TensorState]:
        found = [self._body(branch, place.inner(), state) for branch in step.branches]
        ends = [end for _, end in found]
        grid: int | None = None
        mismatch = self._joins.mismatch(step, state, ends)
        if mismatch is None:
            after, grid = self._joins.joined(step, state, ends)
        else:
            self._joins.different(step, ends, *self._repair.joint(step, place, state, ends, mismatch))
            after = state.lost()
        return TypedBranches(step, tuple(body for body, _ in found), grid, after.shape), after

    def _skip(
        self, step: SkipStep, place: BodyScope, state: TensorState
    ) -> tuple[TypedSkip | None, TensorState]:
        body, end = self._body(step.body, place.inner(), state)
        if not state.known or not end.known:
            if step.drop_path:
                self._operations.apply(step.drop_path, place.values, end)
            # The input, which is added, has the shape of the output.
            return None, state.lost() if step.shortcut or step.if_same else state
        if end.grid is not state.grid:
            fix = self._repair.irregular(step, place, state)
            if isinstance(end.irregular, OperationStep):
                fix = self._operations.without_channels(end.irregular, place.values, state) or fix
            self._joins.irregular(step, state, end, fix)
            return None, state.lost()
        # Decided by channels and strides, so that it doesn't depend on the input's size.
        same = end.shape[0] == state.shape[0] and len(end.shape) == len(state.shape)
        same = same and end.reduction == state.reduction
        if same and end.shape != state.shape:
            self._joins.uneven(step, state, end, self._repair.uneven(step))
            return None, state.lost()
        drop_path: TypedOperation | None = None
        if step.drop_path and (same or not step.if_same):
            drop_path, _ = self._operations.apply(step.drop_path, place.values, end)
        if same or step.if_same:
            return TypedSkip(step, body, None, same, drop_path, end.shape), end.deepest(state)
        if step.shortcut is None:
            fix = self._repair.shortcut(step, place, state, end)
            self._joins.missing_shortcut(step, body, state, end, fix)
            return None, end
        shortcut, way = self._body(step.shortcut, place.inner(), state)
        if way.known:
            self._agree(step, place, state, end, way)
        return TypedSkip(step, body, shortcut, same, drop_path, end.shape), end.deepest(way)

    def _agree(
        self, step: SkipStep, place: BodyScope, start: TensorState, body: TensorState, shortcut: TensorState
    ) -> None:
        """Checks that the body and the shortcut have the same output shape."""

        def agrees(way: TensorState) -> bool:
            same = way.shape == body.shape and way.reduction == body.reduction
            return same and way.grid is start.grid

        if not agrees(shortcut):
            fix = self._repair.either(step, place, start, body, shortcut, agrees)
            self._joins.disagree(step, start, body, shortcut, fix)

    def _leads(
        self, body: Body, place: BodyScope, state: TensorState, fits: Callable[[TensorState], bool]
    ) -> bool:
        """True if the output of a body fits; its instances and errors are discarded."""
        instances, steps, depth = dict(self._instances), self._steps, self._depth
        way = len(self._reports.way)
        try:
            with self._reports.silent():
                _, end = self._body(body, place.inner(), state)
            return end.known and fits(end)
        except TooLarge:
            del self._reports.way[way:]
            return False
        finally:
            self._instances, self._steps, self._depth = instances, steps, depth
