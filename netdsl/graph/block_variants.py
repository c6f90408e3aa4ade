"""Variants of a block: its calls in which the same `when` and `skip` were decided alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from netdsl.base.tree import bodies
from netdsl.ir.typed import (
    Instance,
    TypedBody,
    TypedCall,
    TypedNetwork,
    TypedParameterCall,
    TypedRepeat,
    TypedSkip,
    TypedStep,
    TypedWhen,
)

# What was decided in a body; two bodies of one definition with equal decisions have the same steps.
Decisions: TypeAlias = tuple[object, ...]


class BlockVariants:
    """The forms of a network's blocks, each with its instances, in the order of the network."""

    def __init__(self, network: TypedNetwork) -> None:
        self._forms: dict[Instance, int] = {}
        self._instances: list[list[Instance]] = []
        numbers: dict[Decisions, int] = {}
        for instance in network.instances:  # inner ones come first
            key = (instance.block.key, self.decisions(instance.body))
            number = numbers.setdefault(key, len(numbers))
            if number == len(self._instances):
                self._instances.append([])
            self._instances[number].append(instance)
            self._forms[instance] = number

    def of(self, instance: Instance) -> int:
        return self._forms[instance]

    def instances(self, form: int) -> Sequence[Instance]:
        return self._instances[form]

    def decisions(self, body: TypedBody) -> Decisions:
        return tuple(self._decision(step) for step in body.steps)

    def runs(self, repeat: TypedRepeat) -> Iterator[list[tuple[TypedBody, int]]]:
        """The iterations, those together that follow each other and look alike."""
        for _, run in groupby(repeat.runs, key=lambda run: self.decisions(run[0])):
            yield list(run)

    def _decision(self, step: TypedStep) -> Decisions:
        match step:
            case TypedCall(instance=instance) | TypedParameterCall(call=TypedCall(instance=instance)):
                return (self.of(instance),)
            case TypedSkip():
                shortcut = self.decisions(step.shortcut) if step.shortcut else None
                return (step.same, step.drop_path is None, self.decisions(step.body), shortcut)
            case TypedRepeat():
                return tuple(self.decisions(run[0][0]) for run in self.runs(step))
            case TypedWhen():
                return (step.chosen, self.decisions(step.body))
            case _:
                return tuple(map(self.decisions, bodies(step)))
