"""ResolvedNetwork to TypedNetwork: shapes, parameters and multiply-accumulates of everything that runs.

Each distinct instance of a block is inferred once, so the cost doesn't grow with `repeat`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, cast

from netdsl.arguments import Mismatch, convert
from netdsl.diagnostics import Diagnostics, Label
from netdsl.expressions import Const, Environment, Expr, Operator, evaluate, known
from netdsl.ops import Operation
from netdsl.ops.base import Misfit, Shape, Symbolic, show_shape
from netdsl.passes.projection import projection
from netdsl.passes.steps import wrong_argument
from netdsl.resolved import (
    BlockDefinition,
    BlockStep,
    Body,
    Bound,
    Expectation,
    OperationStep,
    ResolvedNetwork,
    Section,
    SkipStep,
    Stage,
    Step,
)
from netdsl.source import Span
from netdsl.typed import (
    Cost,
    Instance,
    TypedBody,
    TypedCall,
    TypedNetwork,
    TypedOperation,
    TypedPart,
    TypedSection,
    TypedSkip,
    TypedStage,
    TypedStep,
)
from netdsl.values import Value, show

# Beyond this many parameters no machine holds the network.
MAX_PARAMETERS = 10**12
# Beyond this many operations building it takes longer than anyone waits.
MAX_OPERATIONS = 10**6
# How many blocks may differ in their arguments or inputs.
MAX_INSTANCES = 10_000
# How deep blocks and skip connections may be nested.
MAX_DEPTH = 100


def infer(network: ResolvedNetwork, diagnostics: Diagnostics) -> TypedNetwork | None:
    """The network with its shapes, or None after diagnostics."""
    return _Inference(network, diagnostics).run()


class _Grid(NamedTuple):
    """How many times smaller height and width have become since the enclosing skip connection began,
    and the step that doesn't keep to a grid, if there is one.
    """

    reduction: Fraction = Fraction(1)
    irregular: Step | None = None


class _Result(NamedTuple):
    typed: TypedBody
    grid: _Grid


class _Inference:
    def __init__(self, network: ResolvedNetwork, diagnostics: Diagnostics) -> None:
        self._network = network
        self._diagnostics = diagnostics
        self._blocks = {block.name: block for block in network.blocks}
        self._instances: dict[tuple[object, ...], tuple[Instance, _Grid] | None] = {}
        # Where we are, outermost first: shown with an error.
        self._trace: list[str] = []
        self._depth = 0

    def run(self) -> TypedNetwork | None:
        before = len(self._diagnostics)
        shape = self._network.input
        parts: list[TypedPart] = []
        stages = 0
        for part in self._network.parts:
            typed: TypedPart | None
            if isinstance(part, Section):
                typed = self._section(part, shape)
                shape = typed.body.output if typed else shape
            else:
                stages += 1
                typed = self._stage(part, stages, shape)
                shape = typed.runs[-1][0].output if typed else shape
            if typed is None:  # what follows would be inferred from a wrong shape
                return None
            parts.append(typed)
        cost = sum((part.cost for part in parts), Cost())
        self._check_end(shape, cost)
        instances = tuple(found[0] for found in self._instances.values() if found)
        typed_network = TypedNetwork(self._network, tuple(parts), instances, shape, cost)
        return typed_network if len(self._diagnostics) == before else None

    # parts

    def _section(self, section: Section, shape: Shape) -> TypedSection | None:
        result = self._body(section.body, {"in": shape[0]}, shape)
        return TypedSection(section, result.typed) if result else None

    def _stage(self, stage: Stage, number: int, shape: Shape) -> TypedStage | None:
        runs: list[tuple[Instance, int]] = []
        for index in range(stage.copies):
            # After two equal copies in a row all others are equal too.
            if len(runs) > 1 or (runs and runs[0][1] > 1 and stage.first == stage.rest):
                previous, count = runs[-1]
                if count > 1 or previous.input == previous.output:
                    runs[-1] = (previous, count + stage.copies - index)
                    break
            bound = stage.rest if index else stage.first
            self._trace.append(f"stage {number}, block {index + 1} of {stage.copies}")
            found = self._call(stage.block, bound, stage.span, {"in": shape[0]}, shape)
            self._trace.pop()
            if found is None:
                return None
            instance = found[0]
            if runs and runs[-1][0] is instance:
                runs[-1] = (instance, runs[-1][1] + 1)
            else:
                runs.append((instance, 1))
            shape = instance.output
        return TypedStage(stage, tuple(runs))

    def _check_end(self, shape: Shape, cost: Cost) -> None:
        classes = self._network.classes
        if classes is not None and shape != (classes,):
            shown = f"a vector of {shape[0]}" if len(shape) == 1 else f"a map of {show_shape(shape)}"
            self._diagnostics.error(
                "NET403",
                f"the network must end in a vector of {classes} scores, and it ends in {shown}",
                self._network.parts[-1].span,
                help="end it with `global_avgpool, flatten, linear(classes)`",
            )
        if cost.parameters > MAX_PARAMETERS:
            message = f"the network has {cost.parameters:,} parameters"
            self._diagnostics.error("NET405", message, self._network.span, help=f"{MAX_PARAMETERS:,} at most")
        if cost.operations > MAX_OPERATIONS:
            message = f"the network has {cost.operations:,} operations"
            self._diagnostics.error("NET405", message, self._network.span, help=f"{MAX_OPERATIONS:,} at most")
        for expectation in self._network.expectations:
            self._check_expectation(expectation, cost)

    def _check_expectation(self, expectation: Expectation, cost: Cost) -> None:
        actual = cost.parameters if expectation.quantity == "params" else cost.macs
        if not known(Operator(expectation.comparison, (Const(actual), Const(expectation.value))), {}):
            wanted = f"{expectation.comparison} {show(expectation.value)}"
            message = f"`{expectation.quantity}` is {actual:,}, which is not {wanted}"
            self._diagnostics.error(
                "NET404", message, expectation.span, help="change the network or the expectation"
            )

    # steps

    def _body(self, body: Body, environment: Environment, shape: Shape) -> _Result | None:
        if not body:
            return _Result(TypedBody((), shape, shape, Cost()), _Grid())
        if self._depth >= MAX_DEPTH:
            message = f"blocks and skip connections are nested more than {MAX_DEPTH} deep"
            self._diagnostics.error("NET104", message, body[0].span, help="nest fewer of them")
            return None
        self._depth += 1
        result = self._run_body(body, environment, shape)
        self._depth -= 1
        return result

    def _run_body(self, body: Body, environment: Environment, shape: Shape) -> _Result | None:
        steps: list[TypedStep] = []
        grid, current = _Grid(), shape
        for step in body:
            result = self._step(step, environment, current)
            if result is None:
                return None
            typed, inner = result
            steps.append(typed)
            current = typed.output
            grid = _Grid(grid.reduction * inner.reduction, grid.irregular or inner.irregular)
        cost = sum((step.cost for step in steps), Cost())
        return _Result(TypedBody(tuple(steps), shape, current, cost), grid)

    def _step(self, step: Step, environment: Environment, shape: Shape) -> tuple[TypedStep, _Grid] | None:
        match step:
            case OperationStep():
                return self._operation(step, environment, shape)
            case BlockStep():
                found = self._call(step.block, step.arguments, step.span, environment, shape)
                return (TypedCall(step, found[0]), found[1]) if found else None
            case SkipStep():
                return self._skip(step, environment, shape)

    def _operation(
        self, step: OperationStep, environment: Environment, shape: Shape
    ) -> tuple[TypedOperation, _Grid] | None:
        values = self._values(step.arguments, environment)
        if values is None:
            return None
        operation = convert(step.operation, values)
        if isinstance(operation, dict):
            self._wrong_arguments(step, operation, values)
            return None
        output = operation.infer(shape)
        if isinstance(output, Misfit):
            self._diagnostics.error(
                "NET402", output.message, step.span, help=output.help, notes=self._notes()
            )
            return None
        arguments = {name: Const(value) for name, value in values.items()}
        cost = Cost(_parameters(operation, arguments, shape), operation.macs(shape, output), 1)
        reduction = Fraction(cast(int, known(operation.reduction(arguments), {})))
        grid = _Grid(reduction, None if operation.keeps_grid() else step)
        return TypedOperation(step, operation, shape, output, cost), grid

    def _wrong_arguments(
        self, step: OperationStep, wrong: Mapping[str, Mismatch], values: Mapping[str, Value]
    ) -> None:
        exprs = dict(step.arguments)
        for name, mismatch in wrong.items():
            expr = exprs[name]
            place = expr if expr.span else replace(expr, span=step.span)
            wrong_argument(step.operation.name, name, place, mismatch, self._diagnostics, values[name])

    def _call(
        self, name: str, bound: Bound, span: Span, environment: Environment, shape: Shape
    ) -> tuple[Instance, _Grid] | None:
        values = self._values(bound, environment)
        if values is None:
            return None
        block = self._blocks[name]
        inside: dict[str, Value] = {"in": shape[0]}
        for parameter, default in block.parameters:
            value = (
                values[parameter]
                if parameter in values
                else evaluate(cast(Expr, default), inside, self._diagnostics)
            )
            if value is None:
                return None
            inside[parameter] = value
        key = (name, shape, tuple(inside.items()))
        if key in self._instances:
            return self._instances[key]
        if not self._affordable():
            return None
        self._trace.append(f"{name}({_shown(block, inside)})")
        result = self._body(block.body, inside, shape)
        self._trace.pop()
        found = (Instance(block, inside, shape, result.typed), result.grid) if result else None
        self._instances[key] = found
        return found

    def _affordable(self) -> bool:
        """Whether one more instance can be afforded."""
        if len(self._instances) >= MAX_INSTANCES:
            message = f"more than {MAX_INSTANCES:,} blocks with different arguments or inputs"
            help = "let more of them be alike"
            self._diagnostics.error("NET405", message, self._network.span, notes=self._notes(), help=help)
            return False
        return True

    def _values(self, bound: Bound, environment: Environment) -> dict[str, Value] | None:
        values = {name: evaluate(expr, environment, self._diagnostics) for name, expr in bound}
        found = {name: value for name, value in values.items() if value is not None}
        return found if len(found) == len(values) else None

    # skip connections

    def _skip(self, step: SkipStep, environment: Environment, shape: Shape) -> tuple[TypedSkip, _Grid] | None:
        body = self._body(step.body, environment, shape)
        if body is None:
            return None
        output, grid = body.typed.output, body.grid
        if grid.irregular is not None:
            self._irregular(step, grid.irregular, shape, output)
            return None
        # Judged from channels and strides, never from one input size.
        same = output[0] == shape[0] and len(output) == len(shape) and grid.reduction == 1
        if same or step.if_same:
            return TypedSkip(step, body.typed, None, same, output), grid
        if step.shortcut is None:
            labels = f"input is {show_shape(shape)}, body gives {show_shape(output)}"
            if shape == output:  # at this input's size; at another they would differ
                labels = f"the body has a stride of {grid.reduction}"
            missing = projection(body.typed, grid.reduction)
            help = f"add `shortcut {{ {missing} }}`, or write `skip if same {{ … }}`"
            self._error_401("skip connection adds two different shapes", step, labels, help)
            return None
        shortcut = self._body(step.shortcut, environment, shape)
        if shortcut is None:
            return None
        if shortcut.grid.irregular is not None:
            self._irregular(step, shortcut.grid.irregular, shape, shortcut.typed.output)
            return None
        if shortcut.typed.output != output or shortcut.grid.reduction != grid.reduction:
            labels = f"body gives {show_shape(output)}, shortcut gives {show_shape(shortcut.typed.output)}"
            if output == shortcut.typed.output:
                strides = grid.reduction, shortcut.grid.reduction
                labels = f"the body has a stride of {strides[0]}, the shortcut of {strides[1]}"
            self._error_401(
                "skip connection adds two different shapes",
                step,
                labels,
                "give both the same channels and strides",
            )
            return None
        return TypedSkip(step, body.typed, shortcut.typed, same, output), grid

    def _irregular(self, step: SkipStep, irregular: Step, shape: Shape, output: Shape) -> None:
        self._diagnostics.error(
            "NET401",
            "a step inside a skip connection changes height and width by other than a stride",
            irregular.span,
            f"the body turns {show_shape(shape)} into {show_shape(output)}",
            also=[Label(step.span, "the skip connection")],
            notes=self._notes(),
            help=_way_out(irregular),
        )

    def _error_401(self, message: str, step: SkipStep, label: str, help: str) -> None:
        self._diagnostics.error("NET401", message, step.span, label, notes=self._notes(), help=help)

    def _notes(self) -> list[str]:
        """The way to the place of an error: `stage 2, block 1 of 5: residual(out=16, stride=2)`."""
        return [": ".join(self._trace)] if self._trace else []


def _shown(block: BlockDefinition, values: Mapping[str, Value]) -> str:
    """The arguments of a block: required ones by position, the others by name."""
    return ", ".join(
        show(values[name]) if default is None else f"{name}={show(values[name])}"
        for name, default in block.parameters
    )


def _way_out(irregular: Step) -> str:
    names = [name for name, _ in irregular.arguments] if isinstance(irregular, OperationStep) else []
    if "padding" not in names:
        return "move it out of the `skip`"
    padded = "`padding=same`" if "groups" in names else "`padding=1` for a kernel of 3"
    return f"pad it ({padded}), or move it out of the `skip`"


def _parameters(operation: Operation, arguments: Mapping[str, Const], shape: Shape) -> int:
    weights = operation.weights(arguments, Symbolic(Const(shape[0]), is_map=len(shape) == 3))
    sizes = (
        math.prod(cast(int, known(length, {})) for length in weight.shape)
        for weight in weights
        if weight.role != "buffer" and known(weight.present, {})
    )
    return sum(sizes)
