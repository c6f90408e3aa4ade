"""Checks that a network with `classes` ends in a vector with a score for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostic, Diagnostics, Fix, Help, Label, add_line, add_step, write
from netdsl.ir.resolved import OperationStep, ResolvedNetwork, Section
from netdsl.ir.typed import TypedCall, TypedOperation, TypedPart, TypedSection, TypedStep
from netdsl.language.expressions import Const
from netdsl.ops.linear import Linear
from netdsl.ops.operation import Shape, show_shape
from netdsl.shapes.repair.candidates import with_arguments
from netdsl.shapes.repair.change import Attempt
from netdsl.shapes.tensor_state import TensorState

# The last steps of networks that make images.
_OF_IMAGES = ("sigmoid", "tanh", "conv_transpose", "upsample")


class _Remedy(NamedTuple):
    """The span and the help of the error."""

    place: Span
    help: Help


def gives_scores(network: ResolvedNetwork, output: Shape) -> bool:
    """True if an output has a score for each class: a vector of them, or, where the file names its outputs,
    also a map with scores at each position. Any output does where the file has no `classes`, or where
    `detect` gives the outputs another meaning.
    """
    scores = output[:1] if network.outputs else output
    return network.classes is None or network.detect is not None or scores == (network.classes,)


def check_output(
    network: ResolvedNetwork,
    parts: Sequence[TypedPart],
    state: TensorState,
    attempt: Attempt | None,
    diagnostics: Diagnostics,
) -> None:
    """Reports a first output that isn't scores. Without an `attempt`, it searches no repairs."""
    classes, output = network.classes, state.shape
    if classes is None or gives_scores(network, output):
        return
    shown = f"a vector of {output[0]}" if len(output) == 1 else f"a map of {show_shape(output)}"
    if network.outputs:
        name, span, _ = network.outputs[0]
        also = [Label(state.made, f"{show_shape(output)} comes from here")] if state.made else []
        message = f"the first output must have {classes} scores, but `{name}` is {shown}"
        first = f"name the scores first, or end the steps before `save {name}` in {classes} channels"
        diagnostics.error("NET403", message, span, also=also, help=first)
        return
    place = _last(network)
    remedy = (
        _in_the_last_layer(classes, output, parts, attempt)
        or _before_linear(parts)
        or _in_the_last_step(network, classes)
        or _at_the_end(network, output, parts, place)
    )
    made = state.made
    also = [Label(made, f"{show_shape(output)} comes from here")] if made and made != remedy.place else []
    help = remedy.help
    if _is_no_classifier(output, network, parts) and isinstance(help, Fix):
        help = (replace(help, safe=False), "remove `classes` if it is not a classifier")
    message = f"the network must end in a vector of {classes} scores, but it ends in {shown}"
    diagnostics.error("NET403", message, remedy.place, also=also, help=help)


def _is_no_classifier(output: Shape, network: ResolvedNetwork, parts: Sequence[TypedPart]) -> bool:
    """True for an output that is meant: an image, or a score for each position."""
    last = next(_backwards(parts), None)
    name = last.operation.name if isinstance(last, TypedOperation) else ""
    meant = output == network.input or output[0] == network.classes or name in _OF_IMAGES
    return len(output) == 3 and output[1:] != (1, 1) and name != "linear" and meant


def _in_the_last_layer(
    classes: int, output: Shape, parts: Sequence[TypedPart], attempt: Attempt | None
) -> _Remedy | None:
    """The remedy for a last layer that makes another number of scores."""
    steps = list(_backwards(parts))
    after = list(takewhile(lambda step: not _outputs(step), steps))
    if len(output) > 1 or attempt is None or len(after) == len(steps):
        return None
    layer = steps[len(after)]
    assert isinstance(layer, (TypedOperation, TypedCall))
    if isinstance(layer, TypedOperation) and len(layer.input) > 1:
        # A convolution with fewer output than input channels, each of which is a score.
        scores = layer.output[0] < layer.input[0] and layer.output[0] == output[0]
    else:
        scores = not any(isinstance(step, TypedOperation) and step.operation.is_activation for step in after)
    change = with_arguments(layer.step, {"out": Const(classes)}, "classes")
    return _Remedy(layer.step.span, change.fix) if scores and _ended(attempt(change)) else None


def _in_the_last_step(network: ResolvedNetwork, classes: int) -> _Remedy | None:
    """The remedy for a last `linear` whose input is unknown after an error."""
    part = network.parts[-1]
    last = part.body[-1] if isinstance(part, Section) and part.body else None
    if not isinstance(last, OperationStep) or last.operation.name != "linear":
        return None
    return _Remedy(last.span, with_arguments(last, {"out": Const(classes)}, "classes").fix)


def _before_linear(parts: Sequence[TypedPart]) -> _Remedy | None:
    """The remedy for linear layers at the end that act on each position of a map: the vector before them."""
    first: TypedOperation | None = None
    for step in _backwards(parts):
        if not isinstance(step, TypedOperation) or len(step.output) == 1:
            break
        if isinstance(step.operation, Linear):
            first = step
        elif not step.operation.by_number:
            break
    if first is None:
        return None
    pool = "" if first.output[1:] == (1, 1) else "global_avgpool, "
    span = first.step.span
    fix = write(span, f"{pool}flatten, {span.text}")
    return _Remedy(span, replace(fix, title=f"put `{pool}flatten` before it"))


def _ended(errors: Sequence[Diagnostic] | None) -> bool:
    """True if a network with these errors ends in scores."""
    return errors is not None and all(error.code != "NET403" for error in errors)


def _at_the_end(network: ResolvedNetwork, output: Shape, parts: Sequence[TypedPart], place: Span) -> _Remedy:
    """The remedy that adds or changes the last steps."""
    classes, last = network.classes, network.parts[-1]

    def added(steps: str) -> _Remedy:
        if isinstance(last, Section):
            return _Remedy(place, add_step(last.span, steps, " at the end"))
        return _Remedy(place, add_line(_statement(last.span), f"head {{ {steps} }}", " at the end"))

    if len(output) > 1:
        pool = "" if output[1:] == (1, 1) else "global_avgpool, "
        scores = "" if output[0] == classes else ", linear(classes)"
        return added(f"{pool}flatten{scores}")
    for step in _backwards(parts):
        if (
            isinstance(step, TypedOperation)
            and len(step.output) < len(step.input)
            and step.input[0] == classes
        ):
            fix = write(step.step.span, "global_avgpool, flatten", f" in place of `{step.step.span.text}`")
            return _Remedy(step.step.span, fix)
    return added("linear(classes)")


def _statement(stage: Span) -> Span:
    """The statement of a stage: the whole table for one of its rows."""
    if stage.text.startswith("stage"):
        return stage
    text = stage.source.text
    return stage.to(Span(stage.source, text.find("}", stage.end), text.find("}", stage.end) + 1))


def _backwards(parts: Sequence[TypedPart]) -> Iterator[TypedStep]:
    """The steps of the last sections, the last first."""
    sections = takewhile(lambda part: isinstance(part, TypedSection), reversed(parts))
    for part in sections:
        assert isinstance(part, TypedSection)
        yield from reversed(part.body.steps)


def _outputs(step: TypedStep) -> bool:
    """True if a step has an argument for its number of output channels or features."""
    return isinstance(step, (TypedOperation, TypedCall)) and "out" in dict(step.step.arguments)


def _last(network: ResolvedNetwork) -> Span:
    """The span of the last step, or of the last stage."""
    part = network.parts[-1]
    return part.body[-1].span if isinstance(part, Section) and part.body else part.span
