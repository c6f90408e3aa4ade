"""Infers shapes, parameters and multiply-accumulates, which makes a TypedNetwork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from netdsl.base.tree import steps
from netdsl.diagnostics import Diagnostic, Diagnostics
from netdsl.ir.resolved import ResolvedNetwork, Section, Stage, WrongStep
from netdsl.ir.typed import (
    NOTHING,
    Instance,
    TypedNetwork,
    TypedOutput,
    TypedPart,
    TypedSection,
    TypedStage,
    names_of,
)
from netdsl.language.expressions import references
from netdsl.shapes.bodies import MAX_STEPS, Bodies, TooLarge
from netdsl.shapes.body_scope import entering
from netdsl.shapes.check_detector import check_detector
from netdsl.shapes.check_expectations import check_expectations, check_output_expectations
from netdsl.shapes.check_labels import check_labels
from netdsl.shapes.check_output import check_output, gives_scores
from netdsl.shapes.check_whitening import check_whitening
from netdsl.shapes.error_reporter import ErrorReporter, Via
from netdsl.shapes.repair.change import Change, changed
from netdsl.shapes.repair.reorder import whole_changes
from netdsl.shapes.tensor_state import TensorState

# The codes of shape errors, without that of the output.
_SHAPE_ERRORS = ("NET401", "NET402", "NET404")
# Limits of the search for repairs: inferred steps and tried changes.
_MOST_STEPS = 20_000
_MOST_CHANGES = 60


def infer(network: ResolvedNetwork, diagnostics: Diagnostics) -> TypedNetwork:
    """The network with its shapes; after errors, of this pass or an earlier one, as far as they are known."""
    sound = network.sound
    inference = _Inference(network, sound)
    typed = inference.run()
    if inference.found.errors:
        # A wrong order of parts causes many errors; the intended order causes fewer.
        for meant, error in whole_changes(network):
            other = _Inference(meant, sound, fixes=False)
            other.run()
            if other.shape_errors() < inference.shape_errors():
                diagnostics.add(error)
                inference = _Inference(meant, sound)
                inference.run()
                break
    for found in inference.found:
        diagnostics.add(found)
    return typed


class _Inference:
    """One inference of a network; `sound` if no earlier error is in its layers. Repairs are tried by
    others.
    """

    def __init__(
        self, network: ResolvedNetwork, sound: bool, fixes: bool = True, most: int = MAX_STEPS
    ) -> None:
        self._network = network
        self._sound = sound
        self.found = Diagnostics()
        self._reports = ErrorReporter(self.found)
        self._attempt = self._try if fixes else None
        self._bodies = Bodies(network, self._reports, self._attempt, most)
        self._steps_left, self._changes_left = _MOST_STEPS, _MOST_CHANGES
        self._stages = 0  # so far
        self._blocks = sum(part.copies for part in network.parts if isinstance(part, Stage))
        # If a stage is missing, the numbers of the others are unknown.
        sections = (part.body for part in network.parts if isinstance(part, Section))
        self._numbered = not any(isinstance(step, WrongStep) for body in sections for step in body)

    def shape_errors(self) -> int:
        """The number of shape errors."""
        return sum(error.code in _SHAPE_ERRORS for error in self.found)

    def _try(self, change: Change) -> Sequence[Diagnostic] | None:
        """The errors of the whole network after a change; None beyond the limits of the search."""
        if self._changes_left <= 0:
            return None
        other = _Inference(changed(self._network, change), self._sound, fixes=False, most=self._steps_left)
        other.run()
        self._steps_left -= other._bodies.steps
        self._changes_left -= 1
        return tuple(other.found) if self._steps_left >= 0 else None

    def run(self) -> TypedNetwork:
        state = TensorState.of_input(self._network.input, self._network.input_span)
        parts: list[TypedPart] = []
        saved: dict[str, TensorState] = {}
        try:
            for part in self._network.parts:
                one, state = (
                    self._section(part, state, saved)
                    if isinstance(part, Section)
                    else self._stage(part, state)
                )
                parts.append(one)
        except TooLarge:
            return self._typed(parts, {"": state.lost()})
        outputs = self._outputs(state, saved)
        first = next(iter(outputs.values()))
        known = all(output.known for output in outputs.values())
        if detect := self._network.detect:
            if known and self._sound:
                check_detector(self._network, detect, outputs, self._attempt, self.found)
        elif first.known and parts:
            check_output(self._network, parts, first, self._attempt, self.found)
        if (whitening := self._network.init.whitening) and self._sound and not self.found.errors:
            check_whitening(self._network, parts, whitening, self.found)
        typed = self._typed(parts, outputs)
        if known and self._sound and not self.found.errors:
            check_labels(typed, self.found)
        # After an error the total costs are unknown, and their expectations are not checked.
        if self.found.errors or not self._sound or not known:
            attempt = None if self.found.errors else self._attempt
            if known and gives_scores(self._network, first.shape):
                check_output_expectations(typed, attempt, self.found)
        else:
            check_expectations(typed, self._attempt, self.found)
        return typed

    def _outputs(self, end: TensorState, saved: Mapping[str, TensorState]) -> Mapping[str, TensorState]:
        """The states of the outputs by name; `end` is the state after the last part."""
        for output in self._network.outputs:
            if output.name not in saved and self._sound and not self.found.errors:
                message = f"`{output.name}` is saved in a case of a `when` that isn't chosen"
                help = "give the `output` the condition of that case: `output … when CONDITION`"
                self.found.error("undefined-tensor", message, output.span, help=help)
        named = {output.name: saved.get(output.name, end.lost()) for output in self._network.outputs}
        return named or {"": end}

    def _typed(self, parts: Sequence[TypedPart], outputs: Mapping[str, TensorState]) -> TypedNetwork:
        network, states = self._network, list(outputs.values())
        in_training = {output.name for output in network.outputs if output.in_training_only}
        typed = tuple(TypedOutput(name, state.shape, name in in_training) for name, state in outputs.items())
        evaluated = _evaluated(parts, outputs.keys() - in_training) if in_training else len(parts)
        cost = sum((part.cost for part in parts), NOTHING)
        cost = replace(cost, macs=sum(part.cost.macs for part in parts[:evaluated]))
        instances, first = self._bodies.instances(), states[0]
        return TypedNetwork(
            network, tuple(parts), instances, typed, evaluated, cost, first.depth, first.receptive_field
        )

    def _section(
        self, section: Section, state: TensorState, saved: dict[str, TensorState]
    ) -> tuple[TypedSection, TensorState]:
        body, state = self._bodies.section(section.body, state, saved)
        return TypedSection(section, body), state

    def _stage(self, stage: Stage, state: TensorState) -> tuple[TypedStage, TensorState]:
        runs: list[tuple[Instance, int]] = []
        self._stages += 1
        by_number = any(
            name in ("index", "block_index") for _, value in stage.rest for name in references(value)
        )
        for index in range(stage.copies):
            environment = {**entering(state), "index": index}
            if self._numbered:
                environment |= {"block_index": stage.before + index, "block_count": self._blocks}
            bound = stage.rest if index else stage.first
            before = state
            self._reports.way.append(
                Via(f"stage {self._stages}, block {index + 1} of {stage.copies}", stage.span)
            )
            instance, state = self._bodies.call(stage.block, bound, stage.span, environment, state)
            self._reports.way.pop()
            if runs and runs[-1][0] is instance:
                runs[-1] = (instance, runs[-1][1] + 1)
            else:
                runs.append((instance, 1))
            alike = index > 0 or stage.first == stage.rest
            if alike and not by_number and state.shape == before.shape:  # the others are equal
                left = stage.copies - index - 1
                runs[-1] = (instance, runs[-1][1] + left)
                state = before.repeated(state, left + 1)
                break
        return TypedStage(stage, tuple(runs), self._blocks), state


def _evaluated(parts: Sequence[TypedPart], names: Set[str]) -> int:
    """The number of parts up to the one that makes the last of these tensors."""
    saving = [
        number
        for number, part in enumerate(parts, 1)
        if isinstance(part, TypedSection)
        for step in steps(part.body)
        if not names.isdisjoint(names_of(step))
    ]
    return max(saving, default=len(parts))
