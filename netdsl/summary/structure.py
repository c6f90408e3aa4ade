"""TypedNetwork to Structure: what a network computes, without figures, with a size like that of its text.

Equal blocks are one shared step, wherever they are called, so that networks of a million layers can be
compared. The steps are those of a complete summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.ir import typed as ir
from netdsl.language.expressions import known
from netdsl.ops.operation import Shape
from netdsl.summary.titles import of_block, of_operation


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A part of a summary, without figures; `copies` is its number in one copy of the enclosing part."""

    kind: str
    name: str
    title: str
    arguments: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    copies: int = 1


Steps: TypeAlias = tuple[Step, ...]


class Structure(NamedTuple):
    """`parts` are the sections and stages."""

    input: Shape
    parts: Steps


def structure(typed: ir.TypedNetwork) -> Structure:
    """The structure of a network, for comparisons."""
    return Structure(typed.network.input, _Steps().network(typed))


def rows(parts: Sequence[Step], depth: int) -> int:
    """The number of parts of a summary with `depth` levels."""
    known: dict[tuple[Step, int], int] = {}

    def count(step: Step, levels: int) -> int:
        if (step, levels) not in known:
            inside = sum(count(inner, levels - 1) for inner in step.steps) if levels > 1 else 0
            known[step, levels] = 1 + inside
        return known[step, levels]

    return sum(count(part, depth) for part in parts)


class _Steps:
    def __init__(self) -> None:
        self._blocks: dict[ir.Instance, Step] = {}

    def network(self, typed: ir.TypedNetwork) -> Steps:
        parts: list[Step] = []
        for name, part in typed.named_parts:
            if isinstance(part, ir.TypedStage):
                blocks = (replace(self._block(instance), copies=count) for instance, count in part.runs)
                parts.append(_container("stage", name, blocks))
            else:
                parts.append(_container(part.section.kind, name, self._body(part.body)))
        return tuple(parts)

    def _block(self, instance: ir.Instance) -> Step:
        if instance not in self._blocks:
            title, arguments = of_block(instance)
            inside = self._body(instance.body)
            self._blocks[instance] = Step("block", instance.block.name, title, arguments, inside)
        return self._blocks[instance]

    def _body(self, body: ir.TypedBody) -> Steps:
        return tuple(found for step in body.steps for found in self._step(step, body.frame))

    def _step(self, step: ir.TypedStep, frame: ir.Frame) -> Steps:
        match step:
            case ir.TypedOperation():
                return (_operation(step, frame),)
            case ir.TypedCall(instance=instance):
                return (self._block(instance),)
            case ir.TypedParameterCall(call=held):
                return self._step(held, frame)
            case ir.TypedSkip():
                return self._skip(step, frame)
            case ir.TypedBranches(branches=branches):
                inside = (
                    _container("branch", f"branch{number}", self._body(body))
                    for number, body in enumerate(branches, 1)
                )
                return (_container(step.step.join, step.step.join, inside),)
            case ir.TypedRepeat(runs=runs):
                return tuple(chain.from_iterable(_repeated(self._body(body), count) for body, count in runs))
            case ir.TypedEach(each):
                return tuple(
                    replace(
                        self._block(instance),
                        kind="each",
                        name=f"each {name}",
                        title=f"each {name}",
                        arguments=(),
                    )
                    for name, instance in zip(each.names, step.instances, strict=True)
                )
            case ir.TypedWhen(body=body):
                return self._body(body)
            case _:
                return ()

    def _skip(self, step: ir.TypedSkip, frame: ir.Frame) -> Steps:
        inside = self._body(step.body)
        if not step.same and step.shortcut is None:  # `if same`, but the shape changes: only the body
            return inside
        if step.drop_path:
            inside += (_operation(step.drop_path, frame),)
        if step.shortcut:
            inside += (_container("shortcut", "shortcut", self._body(step.shortcut)),)
        return (_container("skip", "skip", inside),)


def _operation(step: ir.TypedOperation, frame: ir.Frame) -> Step:
    values = {name: known(value, frame.values) for name, value in step.step.arguments}
    title, arguments = of_operation(type(step.operation), values)
    return Step("operation", step.operation.name, title, arguments)


def _container(kind: str, name: str, inside: Iterable[Step]) -> Step:
    return Step(kind, name, name, (), tuple(inside))


def _repeated(steps: Steps, count: int) -> Steps:
    if count == 1:
        return steps
    return tuple(replace(step, copies=step.copies * count) for step in steps)
