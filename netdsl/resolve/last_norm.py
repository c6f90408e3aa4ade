"""Marks the last norm of each skip connection's body, for the init rule `last_bn`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache

from netdsl.base.tree import bodies, map_bodies
from netdsl.diagnostics import Diagnostics
from netdsl.ir.resolved import (
    BlockDefinition,
    BlockStep,
    Body,
    OperationStep,
    ParameterCallStep,
    SkipStep,
    Step,
    WhenStep,
)
from netdsl.language.argument_types import schema
from netdsl.language.expressions import IN, ONE, constant
from netdsl.ops import Operation
from netdsl.ops.operation import Symbolic


@cache
def roles(operation: type[Operation]) -> frozenset[str]:
    """The roles of an operation's parameters: kernel, bias, scale, shift."""
    arguments = {f.name: ONE if f.default is MISSING else constant(f.default) for f in schema(operation)}
    weights = operation.weights(arguments, Symbolic(IN, is_map=True))
    return frozenset(weight.role for weight in weights) - {"buffer"}


def is_norm(operation: type[Operation]) -> bool:
    """True if it has a scale and a shift; `layer_scale` has a scale only."""
    return roles(operation) >= {"scale", "shift"}


class LastNorms:
    """Marks last norms, and reports those inside another step, which no rule can reach."""

    def __init__(self, blocks: Mapping[str, BlockDefinition], diagnostics: Diagnostics) -> None:
        self._blocks = blocks
        self._diagnostics = diagnostics

    def marked(self, body: Body) -> Body:
        """The body with the last norm of each of its skip connections marked, at any depth."""
        return tuple(map(self._step, body))

    def _step(self, step: Step) -> Step:
        step = map_bodies(step, self.marked)
        return step._replace(body=self._last(step.body, step)) if isinstance(step, SkipStep) else step

    def _last(self, body: Body, skip: SkipStep) -> Body:
        for index in reversed(range(len(body))):
            step = body[index]
            if self._has_norm(step):
                return (*body[:index], self._mark(step, skip), *body[index + 1 :])
        return body

    def _mark(self, step: Step, skip: SkipStep) -> Step:
        match step:
            case OperationStep():
                return step._replace(last_norm=True)
            case SkipStep():
                return step  # its own last norm is marked
            case WhenStep() if all(map(self._any_norm, bodies(step))):
                return map_bodies(step, lambda body: self._last(body, skip))
        self._diagnostics.error(
            "NET305",
            "`last_bn` can't reach the last norm of this skip connection, which is inside another step",
            skip.span,
            help="write the norm into the body itself, or give it a label and a rule for the label",
        )
        return step

    def _any_norm(self, body: Body) -> bool:
        return any(map(self._has_norm, body))

    def _has_norm(self, step: Step) -> bool:
        match step:
            case OperationStep(operation):
                return is_norm(operation)
            case BlockStep(block):
                return self._any_norm(self._blocks[block].body)
            case ParameterCallStep(cases=cases):
                return any(self._has_norm(case) for _, case in cases)
            case _:
                return any(map(self._any_norm, bodies(step)))
