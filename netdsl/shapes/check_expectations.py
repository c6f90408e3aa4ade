"""Checks of a whole network: the limits of the compiler, and the `expect` statements of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from netdsl.base.source import Span
from netdsl.base.tree import bodies
from netdsl.base.values import Size, Value, show
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, write
from netdsl.ir.resolved import Expectation, ResolvedNetwork
from netdsl.ir.typed import (
    TypedBody,
    TypedCall,
    TypedNetwork,
    TypedPart,
    TypedRepeat,
    TypedSection,
    TypedStage,
    TypedStep,
)
from netdsl.language.expressions import Const, Operator, known
from netdsl.shapes.repair.candidates import backwards
from netdsl.shapes.repair.change import Attempt, best

# A network with more parameters fits no machine.
MAX_PARAMETERS = 10**12
# A network with more operations takes too long to build.
MAX_OPERATIONS = 10**6
# The number of parts shown for an expectation that doesn't hold.
_HEAVIEST = 3


def check_expectations(typed: TypedNetwork, attempt: Attempt | None, diagnostics: Diagnostics) -> None:
    """Checks the limits of the compiler and the expectations of the file."""
    span, cost = typed.network.span, typed.cost
    for count, most, what in (
        (cost.parameters, MAX_PARAMETERS, "parameters"),
        (cost.operations, MAX_OPERATIONS, "operations"),
    ):
        if count > most:
            message = f"the network has {count:,} {what}, more than the limit of {most:,}"
            times, place = max(_loops(typed, what), default=(0, span), key=itemgetter(0))
            help = f"repeat it less than {times:,} times" if times else "use fewer layers or fewer channels"
            diagnostics.error("NET602", message, place, also=_heaviest(typed, what), help=help)
    actual: dict[str, Value] = {
        "params": typed.cost.parameters,
        "macs": typed.cost.macs,
        "depth": typed.depth,
        "receptive_field": typed.receptive_field,
        "output": _outputs(typed),
    }
    for expectation in typed.network.expectations:
        quantity = {"params": "parameters"}.get(expectation.quantity, expectation.quantity)
        also = _heaviest(typed, quantity) if quantity in _COUNTED else []
        _check(expectation, actual[expectation.quantity], typed.network, also, attempt, diagnostics)


def check_output_expectations(typed: TypedNetwork, attempt: Attempt | None, diagnostics: Diagnostics) -> None:
    """Checks the expectations for the output of a network with errors elsewhere."""
    for expectation in typed.network.expectations:
        if expectation.quantity == "output":
            _check(expectation, _outputs(typed), typed.network, [], attempt, diagnostics)


def _check(
    expectation: Expectation,
    value: Value,
    network: ResolvedNetwork,
    also: Sequence[Label],
    attempt: Attempt | None,
    diagnostics: Diagnostics,
) -> None:
    expected = expectation.value
    kinds = (Size, tuple)
    if all(isinstance(value, kind) == isinstance(expected, kind) for kind in kinds):
        holds = known(Operator(expectation.comparison, (Const(value), Const(expected))), {})
    else:  # a map and a vector, or one output and several
        holds = expectation.comparison == "!="
    if holds:
        return
    shown = f"{value:,}" if isinstance(value, int) else show(value)
    wanted = f"{expected:,}" if isinstance(expected, int) else show(expected)
    wanted = wanted if expectation.comparison == "==" else f"{expectation.comparison} {wanted}"
    diagnostics.error(
        "NET601",
        f"`{expectation.quantity}` is {shown}, not {wanted}",
        expectation.span,
        also=also,
        help=_fix(expectation, network, attempt) or _advice(expectation, shown),
    )


def _fix(expectation: Expectation, network: ResolvedNetwork, attempt: Attempt | None) -> Fix | None:
    """The change of one argument that makes the output the expected one."""
    wanted = expectation.value
    one = expectation.quantity == "output" and not network.outputs and not isinstance(wanted, tuple)
    if not one or expectation.comparison != "==" or attempt is None:
        return None
    channels = wanted.lengths[0] if isinstance(wanted, Size) else wanted
    changes = backwards(network, Const(channels), expectation.span)
    found = best(changes, attempt, {expectation.span}, most=0)
    return found and found.fix


def _advice(expectation: Expectation, shown: str) -> Help:
    """The help for an expectation that doesn't hold."""
    plain = shown if expectation.quantity == "output" else shown.replace(",", "")
    comparison = {"<": "<=", ">": ">="}.get(expectation.comparison, expectation.comparison)
    if comparison == "!=":
        return "change the network, or remove the expectation"
    line = f"expect {expectation.quantity} {comparison} {plain}"
    return ("change the network", write(expectation.span, line, safe=False))


_COUNTED = ("parameters", "macs", "operations")


def _heaviest(typed: TypedNetwork, quantity: str) -> list[Label]:
    """Labels for the parts with most parameters, multiply-accumulates or operations, and their share."""
    whole, name = getattr(typed.cost, quantity), quantity.replace("macs", "MACs")
    counts = sorted(((getattr(p.cost, quantity), p) for p in typed.parts), key=lambda p: p[0], reverse=True)
    return [
        Label(_head(part), f"{count:,} {name}, {count / max(whole, 1):.0%}")
        for count, part in counts[:_HEAVIEST]
        if 100 * count >= whole and len(counts) > 1
    ]


def _loops(typed: TypedNetwork, quantity: str) -> Iterator[tuple[int, Span]]:
    """The numbers of iterations and the spans of the stages and loops on the way to the costliest steps."""

    def cost(step: TypedPart | TypedStep | TypedBody) -> int:
        return int(getattr(step.cost, quantity))

    part = max(typed.parts, key=cost)
    body: TypedBody | None
    if isinstance(part, TypedStage):
        if part.stage.copies > 1:
            yield part.stage.copies, part.stage.span
        body = max((instance.body for instance, _ in part.runs), key=cost)
    else:
        body = part.body
    while body and body.steps:
        step = max(body.steps, key=cost)
        if isinstance(step, TypedRepeat):
            yield step.times, step.step.span
        body = (
            step.instance.body if isinstance(step, TypedCall) else max(bodies(step), default=None, key=cost)
        )


def _head(part: TypedPart) -> Span:
    """The first line of a part."""
    span = part.section.span if isinstance(part, TypedSection) else part.stage.span
    return span.first_line


def _outputs(typed: TypedNetwork) -> Value:
    """The shape of the output in evaluation; a list of shapes of several."""
    shapes = [output.shape for output in typed.outputs if not output.in_training_only]
    values: list[Value] = [Size(shape) if len(shape) > 1 else shape[0] for shape in shapes]
    return values[0] if len(values) == 1 else tuple(values)
