"""What is said of a network as a whole: how it ends, how large it may be, what its file expects of it."""

from __future__ import annotations

from netdsl.diagnostics import Diagnostics, Label
from netdsl.expressions import Const, Operator, known
from netdsl.ops.base import Shape, show_shape
from netdsl.resolved import Expectation
from netdsl.source import Span
from netdsl.typed import TypedNetwork, TypedPart, TypedSection
from netdsl.values import Size, Value, show

# Beyond this many parameters no machine holds the network.
MAX_PARAMETERS = 10**12
# Beyond this many operations building it takes longer than anyone waits.
MAX_OPERATIONS = 10**6
# So many of the heaviest parts are shown where an expectation doesn't hold.
_HEAVIEST = 3


def check_end(output: Shape, classes: int, place: Span, made: Span | None, diagnostics: Diagnostics) -> None:
    """A network with classes ends in a vector of scores; `place` is its last step, `made` what gave the
    output its shape.
    """
    if output == (classes,):
        return
    length = len(output)
    shown = f"a vector of {output[0]}" if length == 1 else f"a map of {show_shape(output)}"
    if length == 1:
        help = "write `linear(classes)` for the last layer"
    elif output == (classes, 1, 1):
        help = "add `flatten` at the end"
    elif output[0] == classes:
        help = "add `global_avgpool, flatten` at the end"
    else:
        help = "end it with `global_avgpool, flatten, linear(classes)`"
    if length == 1 and made:
        place = made
    also = [Label(made, f"{show_shape(output)} comes from here")] if made and made != place else []
    message = f"the network must end in a vector of {classes} scores, and it ends in {shown}"
    diagnostics.error("NET403", message, place, also=also, help=help)


def check_budgets(typed: TypedNetwork, diagnostics: Diagnostics) -> None:
    """The limits of the compiler, and the expectations of the file."""
    span, cost = typed.network.span, typed.cost
    for count, most, what in (
        (cost.parameters, MAX_PARAMETERS, "parameters"),
        (cost.operations, MAX_OPERATIONS, "operations"),
    ):
        if count > most:
            message = f"the network has {count:,} {what}, and {most:,} are the most"
            diagnostics.error(
                "NET602", message, span, also=_heaviest(typed, what), help="repeat less, or make it narrower"
            )
    for expectation in typed.network.expectations:
        _check(expectation, typed, diagnostics)


def _check(expectation: Expectation, typed: TypedNetwork, diagnostics: Diagnostics) -> None:
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
    if holds:
        return
    shown = f"{value:,}" if isinstance(value, int) else show(value)
    wanted = f"{expected:,}" if isinstance(expected, int) else show(expected)
    quantity = {"params": "parameters"}.get(expectation.quantity, expectation.quantity)
    diagnostics.error(
        "NET601",
        f"`{expectation.quantity}` is {shown}, which is not {expectation.comparison} {wanted}",
        expectation.span,
        also=_heaviest(typed, quantity) if quantity in _COUNTED else (),
        help=_advice(expectation, shown),
    )


def _advice(expectation: Expectation, shown: str) -> str:
    """What makes the expectation hold: the network itself can't be told how to."""
    plain = shown.replace(",", "")
    comparison = {"<": "<=", ">": ">="}.get(expectation.comparison, expectation.comparison)
    if comparison == "!=":
        return "change the network, or take the expectation out"
    return f"change the network, or write `expect {expectation.quantity} {comparison} {plain}`"


_COUNTED = ("parameters", "macs", "operations")


def _heaviest(typed: TypedNetwork, quantity: str) -> list[Label]:
    """The parts with most parameters or multiply-accumulates, and their share."""
    whole, name = getattr(typed.cost, quantity), quantity.replace("macs", "MACs")
    counts = sorted(((getattr(p.cost, quantity), p) for p in typed.parts), key=lambda p: p[0], reverse=True)
    return [
        Label(_head(part), f"{count:,} {name}, {count / whole:.0%}")
        for count, part in counts[:_HEAVIEST]
        if 100 * count >= whole and len(counts) > 1
    ]


def _head(part: TypedPart) -> Span:
    """The first line of a part."""
    span = part.section.span if isinstance(part, TypedSection) else part.stage.span
    return Span(span.source, span.start, span.start + len(span.text.split("\n", 1)[0].rstrip()))


def _as_value(shape: Shape) -> Value:
    return Size(shape) if len(shape) > 1 else shape[0]
