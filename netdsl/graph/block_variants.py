"""Variants of a block: calls for which its `when` and `skip` steps are decided in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from netdsl.base.tree import bodies
from netdsl.ir import typed as ir

# The decisions of a body; two bodies of one definition with equal decisions have the same steps.
Decisions: TypeAlias = tuple[object, ...]


class BlockVariants:
    """The variants of a network's blocks, each with its instances, in the order of the network."""

    def __init__(self, network: ir.TypedNetwork) -> None:
        self._variants: dict[ir.Instance, int] = {}
        self._instances: list[list[ir.Instance]] = []
        numbers: dict[Decisions, int] = {}
        for instance in network.instances:  # inner ones come first
            key = (instance.block.key, self.decisions(instance.body))
            number = numbers.setdefault(key, len(numbers))
            if number == len(self._instances):
                self._instances.append([])
            self._instances[number].append(instance)
            self._variants[instance] = number

    def of(self, instance: ir.Instance) -> int:
        return self._variants[instance]

    def instances(self, variant: int) -> Sequence[ir.Instance]:
        return self._instances[variant]

    def decisions(self, body: ir.TypedBody) -> Decisions:
        return tuple(self._decision(step) for step in body.steps)

    def runs(self, repeat: ir.TypedRepeat) -> Iterator[list[tuple[ir.TypedBody, int]]]:
        """The iterations, grouped into runs of successive ones with equal decisions."""
        for _, run in groupby(repeat.runs, key=lambda run: self.decisions(run[0])):
            yield list(run)

    def _decision(self, step: ir.TypedStep) -> Decisions:
        match step:
            case ir.TypedCall(instance=instance) | ir.TypedParameterCall(
                call=ir.TypedCall(instance=instance)
            ):
                return (self.of(instance),)
            case ir.TypedRepeat():
                return tuple(self.decisions(run[0][0]) for run in self.runs(step))
            case ir.TypedSkip(same=same, drop_path=drop_path):
                own: Decisions = (same, drop_path is None)
            case ir.TypedWhen(chosen=chosen):
                own = (chosen,)
            case _:
                own = ()
        return (*own, *map(self.decisions, bodies(step)))
