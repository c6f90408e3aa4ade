"""ResolvedNetwork to TypedNetwork: shapes, parameters and multiply-accumulates of everything that runs."""

from __future__ import annotations

from netdsl.diagnostics import Diagnostics
from netdsl.expressions import Const, Operator, known, references
from netdsl.ops.base import Shape, show_shape
from netdsl.passes.bodies import Bodies
from netdsl.passes.state import State
from netdsl.resolved import Expectation, ResolvedNetwork, Section, Stage
from netdsl.typed import NOTHING, Instance, TypedNetwork, TypedPart, TypedSection, TypedStage
from netdsl.values import Size, Value, show

# Beyond this many parameters no machine holds the network.
MAX_PARAMETERS = 10**12
# Beyond this many operations building it takes longer than anyone waits.
MAX_OPERATIONS = 10**6


def infer(network: ResolvedNetwork, diagnostics: Diagnostics) -> TypedNetwork | None:
    """The network with its shapes, or None after diagnostics."""
    return _Inference(network, diagnostics).run()


class _Inference:
    def __init__(self, network: ResolvedNetwork, diagnostics: Diagnostics) -> None:
        self._network = network
        self._diagnostics = diagnostics
        self._bodies = Bodies(network, diagnostics)

    def run(self) -> TypedNetwork | None:
        before = self._diagnostics.errors
        state = State(self._network.input)
        parts: list[TypedPart] = []
        blocks = sum(part.copies for part in self._network.parts if isinstance(part, Stage))
        for part in self._network.parts:
            found = (
                self._section(part, state) if isinstance(part, Section) else self._stage(part, blocks, state)
            )
            if found is None:  # what follows would be inferred from a wrong shape
                return None
            typed, state = found
            parts.append(typed)
        cost = sum((part.cost for part in parts), NOTHING)
        typed_network = TypedNetwork(
            self._network,
            tuple(parts),
            self._bodies.instances(),
            state.shape,
            cost,
            state.depth,
            state.receptive_field,
        )
        self._check_end(typed_network)
        return typed_network if self._diagnostics.errors == before else None

    # parts

    def _section(self, section: Section, state: State) -> tuple[TypedSection, State] | None:
        found = self._bodies.section(section.body, state)
        return (TypedSection(section, found[0]), found[1]) if found else None

    def _stage(self, stage: Stage, blocks: int, state: State) -> tuple[TypedStage, State] | None:
        runs: list[tuple[Instance, int]] = []
        number = sum(stage.before >= part.before for part in self._network.parts if isinstance(part, Stage))
        by_number = any(
            name in ("index", "block_index") for _, value in stage.rest for name in references(value)
        )
        for index in range(stage.copies):
            environment: dict[str, Value] = {
                "in": state.shape[0],
                "index": index,
                "block_index": stage.before + index,
                "block_count": blocks,
            }
            bound = stage.rest if index else stage.first
            self._bodies.trace.append(f"stage {number}, block {index + 1} of {stage.copies}")
            before = state
            found = self._bodies.call(stage.block, bound, stage.span, environment, state)
            self._bodies.trace.pop()
            if found is None:
                return None
            instance, state = found
            if runs and runs[-1][0] is instance:
                runs[-1] = (instance, runs[-1][1] + 1)
            else:
                runs.append((instance, 1))
            alike = index > 0 or stage.first == stage.rest
            if alike and not by_number and state.shape == before.shape:  # all others are equal to this one
                left = stage.copies - index - 1
                runs[-1] = (instance, runs[-1][1] + left)
                state = before.repeated(state, left + 1)
                break
        return TypedStage(stage, tuple(runs), blocks), state

    # the whole

    def _check_end(self, typed: TypedNetwork) -> None:
        classes, shape, cost = self._network.classes, typed.output, typed.cost
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
            self._diagnostics.error("NET602", message, self._network.span, help=f"{MAX_PARAMETERS:,} at most")
        if cost.operations > MAX_OPERATIONS:
            message = f"the network has {cost.operations:,} operations"
            self._diagnostics.error("NET602", message, self._network.span, help=f"{MAX_OPERATIONS:,} at most")
        for expectation in self._network.expectations:
            self._check_expectation(expectation, typed)

    def _check_expectation(self, expectation: Expectation, typed: TypedNetwork) -> None:
        actual: dict[str, Value] = {
            "params": typed.cost.parameters,
            "macs": typed.cost.macs,
            "depth": typed.depth,
            "receptive_field": typed.receptive_field,
            "output": _as_value(typed.output),
        }
        value, expected = actual[expectation.quantity], expectation.value
        if isinstance(value, Size) == isinstance(expected, Size):
            holds = known(Operator(expectation.comparison, (Const(value), Const(expected))), {})
        else:  # a vector is no map
            holds = expectation.comparison == "!="
        if not holds:
            wanted = f"{expectation.comparison} {show(expected)}"
            shown = f"{value:,}" if isinstance(value, int) else show(value)
            self._diagnostics.error(
                "NET601",
                f"`{expectation.quantity}` is {shown}, which is not {wanted}",
                expectation.span,
                help="change the network or the expectation",
            )


def _as_value(shape: Shape) -> Value:
    return Size(shape) if len(shape) > 1 else shape[0]
