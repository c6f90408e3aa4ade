"""Checks that the body of an `each` has the same weights for all of its tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netdsl.base.source import Span
from netdsl.base.tree import bodies, steps
from netdsl.diagnostics import Edit, Fix, Help, Label, remove
from netdsl.ir.resolved import EachStep, ResolvedNetwork, SaveStep
from netdsl.ir.typed import Instance
from netdsl.language.expressions import Const
from netdsl.ops.operation import Shape, describe
from netdsl.shapes.error_reporter import ErrorReporter
from netdsl.shapes.repair.candidates import made_with, steps_before
from netdsl.shapes.repair.change import Attempt, best
from netdsl.shapes.tensor_state import TensorState


class SharedWeights:
    """Without an `attempt`, it searches no repairs."""

    def __init__(self, network: ResolvedNetwork, reports: ErrorReporter, attempt: Attempt | None) -> None:
        self._network = network
        self._reports = reports
        self._attempt = attempt

    def unlike(self, step: EachStep, starts: Sequence[TensorState]) -> Sequence[int]:
        """The numbers of the tensors that are no map, or no vector, with the channels of the others; reports
        the first.
        """
        kinds = {n: (len(start.shape), start.shape[0]) for n, start in enumerate(starts) if start.known}
        often = Counter(kinds.values())
        usual = max(kinds, key=lambda n: often[kinds[n]], default=0)
        wrong = [n for n, kind in kinds.items() if kind != kinds[usual]]
        if wrong:
            shown = [wrong[0], *(n for n in kinds if n != wrong[0])]
            labels = [Label(step.spans[n], f"is {describe(starts[n].shape)}") for n in shown]
            self._reports.error(
                "shared-weights",
                "`each` has the same weights for all its tensors, which need the same channels",
                labels[0].span,
                labels[0].text,
                also=labels[1:],
                help=self._alike(step, wrong[0], starts[wrong[0]], starts[usual]),
            )
        return wrong

    def _alike(self, step: EachStep, number: int, wrong: TensorState, usual: TensorState) -> Help:
        """The help for a tensor that is unlike the usual one."""
        name, channels = step.names[number], usual.shape[0]
        if len(wrong.shape) != len(usual.shape):
            return remove(step.spans[number], f"leave out `{name}`", safe=False)
        if found := best(made_with(self._network, wrong, Const(channels)), self._attempt, step.spans):
            return found.fix
        saves = (own for own in steps_before(self._network, step.span) if isinstance(own, SaveStep))
        save = next(own for own in saves if own.name == name)
        layer = f"conv({channels}, 1)" if len(wrong.shape) == 3 else f"linear({channels})"
        place = Span(save.span.source, save.span.start, save.span.start)
        return Fix(f"add `{layer}` before `save {name}`", (Edit(place, f"{layer}, "),), safe=False)

    def check(self, step: EachStep, instances: Sequence[Instance]) -> None:
        """Reports the first step of the body whose weights or channels depend on height and width."""
        first, *others = map(_sizes, instances)
        for n, other in enumerate(others, 1):
            span = next((span for span, sizes in first.items() if sizes != other.get(span)), None)
            if span:
                names, shapes = (step.names[0], step.names[n]), (instances[0].input, instances[n].input)
                message = f"`{span.first_line.text}` depends on height and width, which differ in `each`"
                spans = (step.spans[0], step.spans[n])
                labels = [Label(at, f"is {describe(shape)}") for at, shape in zip(spans, shapes, strict=True)]
                help = (
                    f"pool `{names[0]}` and `{names[1]}` to one size before it, as by `adaptive_avgpool(7)`"
                )
                self._reports.error("shared-weights", message, span, also=labels, help=help)
                return


def _sizes(instance: Instance) -> dict[Span, set[tuple[int, Shape]]]:
    """The numbers of parameters and of output channels of the steps in a block, by their places."""
    found: dict[Span, set[tuple[int, Shape]]] = {}
    for step in steps(instance.body):
        if not any(bodies(step)):
            found.setdefault(step.step.span, set()).add((step.cost.parameters, step.output[:1]))
    return found
