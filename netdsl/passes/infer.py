"""ResolvedNetwork to TypedNetwork: shapes, parameters and multiply-accumulates of everything that runs."""

from __future__ import annotations

from netdsl.diagnostics import Diagnostics
from netdsl.expressions import references
from netdsl.passes.bodies import Bodies, TooLarge, entering
from netdsl.passes.budgets import check_budgets, check_end
from netdsl.passes.reports import Reports, Via
from netdsl.passes.state import State
from netdsl.resolved import ResolvedNetwork, Section, Stage, WrongStep
from netdsl.source import Span
from netdsl.typed import NOTHING, Instance, TypedNetwork, TypedPart, TypedSection, TypedStage


def infer(network: ResolvedNetwork, diagnostics: Diagnostics) -> TypedNetwork | None:
    """The network with its shapes; None where there is an error, now or before."""
    return _Inference(network, diagnostics).run()


class _Inference:
    def __init__(self, network: ResolvedNetwork, diagnostics: Diagnostics) -> None:
        self._network = network
        self._diagnostics = diagnostics
        self._reports = Reports(diagnostics)
        self._bodies = Bodies(network, self._reports)
        self._blocks = sum(part.copies for part in network.parts if isinstance(part, Stage))
        # Where a stage is missing, the others have no numbers.
        sections = (part.body for part in network.parts if isinstance(part, Section))
        self._numbered = not any(isinstance(step, WrongStep) for body in sections for step in body)

    def run(self) -> TypedNetwork | None:
        shape = self._network.input
        state = State(shape, made=self._network.input_span, sizes=(shape[1:],))
        parts: list[TypedPart] = []
        try:
            for part in self._network.parts:
                typed, state = (
                    self._section(part, state) if isinstance(part, Section) else self._stage(part, state)
                )
                parts.append(typed)
        except TooLarge:
            return None
        classes = self._network.classes
        if classes is not None and state.known and parts:
            check_end(state.shape, classes, _last(self._network), state.made, self._diagnostics)
        if self._diagnostics.errors:  # of a network that isn't known as a whole no sums are checked
            return None
        assert state.known
        cost = sum((part.cost for part in parts), NOTHING)
        instances = self._bodies.instances()
        typed_network = TypedNetwork(
            self._network, tuple(parts), instances, state.shape, cost, state.depth, state.receptive_field
        )
        check_budgets(typed_network, self._diagnostics)
        return None if self._diagnostics.errors else typed_network

    def _section(self, section: Section, state: State) -> tuple[TypedSection, State]:
        body, state = self._bodies.section(section.body, state)
        return TypedSection(section, body), state

    def _stage(self, stage: Stage, state: State) -> tuple[TypedStage, State]:
        runs: list[tuple[Instance, int]] = []
        number = sum(stage.before >= part.before for part in self._network.parts if isinstance(part, Stage))
        by_number = any(
            name in ("index", "block_index") for _, value in stage.rest for name in references(value)
        )
        for index in range(stage.copies):
            environment = {**entering(state), "index": index}
            if self._numbered:
                environment |= {"block_index": stage.before + index, "block_count": self._blocks}
            bound = stage.rest if index else stage.first
            before = state
            self._reports.way.append(Via(f"stage {number}, block {index + 1} of {stage.copies}", stage.span))
            instance, state = self._bodies.call(stage.block, bound, stage.span, environment, state)
            self._reports.way.pop()
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
        return TypedStage(stage, tuple(runs), self._blocks), state


def _last(network: ResolvedNetwork) -> Span:
    """The last step of a network, or the stage or section in which it ends."""
    part = network.parts[-1]
    return part.body[-1].span if isinstance(part, Section) and part.body else part.span
