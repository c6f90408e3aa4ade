"""Checks that the outputs of a detector are maps with the channels and strides that `detect` needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.diagnostics import Diagnostics, Help, Label
from netdsl.ir.resolved import Detect, ResolvedNetwork
from netdsl.language.expressions import Const
from netdsl.ops.operation import Shape, show_shape
from netdsl.shapes.repair.candidates import made_with
from netdsl.shapes.repair.change import Attempt
from netdsl.shapes.tensor_state import TensorState


def strides(input: Shape, outputs: Sequence[Shape]) -> tuple[int, ...] | None:
    """The input pixels to a position of each output, a map; None if one has no whole number, the same in
    height and width.
    """
    found = []
    for _, *size in outputs:
        stride, left = divmod(input[1], size[0])
        if left or stride * size[1] != input[2]:
            return None
        found.append(stride)
    return tuple(found)


def check_detector(
    network: ResolvedNetwork,
    detect: Detect,
    outputs: Mapping[str, TensorState],
    attempt: Attempt | None,
    diagnostics: Diagnostics,
) -> None:
    """Reports outputs that can't be those of the detector. Without an `attempt`, it searches no repairs."""
    kind, classes = detect.kind, detect.classes
    if kind.outputs is not None and len(outputs) != kind.outputs:
        message = f"`{detect.name}` has one output, but the network has {len(outputs)}"
        one = "name one in `output`, or use `fcos`, which has one for each size of boxes"
        diagnostics.error("NET403", message, detect.span, help=one)
        return
    channels = kind.channels(classes)
    spans = {output.name: output.span for output in network.outputs}
    for name, state in outputs.items():
        shape, made = state.shape, state.made
        place = spans.get(name) or made or detect.span
        shown = f"`{name}`" if name else "the output"
        also = [Label(made, f"{show_shape(shape)} comes from here")] if made and made != place else []
        if len(shape) != 3:
            message = f"{shown} is a vector of {shape[0]}, but a detector has maps"
            help: Help = f"end it in `conv({kind.formula}, 1)`"
            diagnostics.error("NET403", message, place, also=also, help=help)
        elif shape[0] != channels:
            message = f"{shown} has {shape[0]} channels; {kind.layout(classes)} need {channels}"
            help = _with_channels(network, state, kind.formula, channels, attempt)
            diagnostics.error("NET403", message, place, also=also, help=help)
    shapes = [state.shape for state in outputs.values()]
    if any(len(shape) != 3 for shape in shapes) or len(network.input) != 3:
        return
    found = strides(network.input, shapes)
    if found is None:
        sizes = ", ".join(f"{shape[1]}x{shape[2]}" for shape in shapes)
        size = "x".join(map(str, network.input[1:]))
        message = f"maps of {sizes} have no whole stride on an input of {size}"
        larger = "use an input whose height and width are multiples of the stride"
        diagnostics.error("NET403", message, network.input_span, help=larger)
    elif list(found) != sorted(set(found)):
        message = f"the outputs have the strides {', '.join(map(str, found))}"
        ordered = "name them from the smallest stride to the largest, each once"
        diagnostics.error("NET403", message, network.outputs[0].span, help=ordered)


def _with_channels(
    network: ResolvedNetwork, state: TensorState, formula: str, channels: int, attempt: Attempt | None
) -> Help:
    """The help for another number of channels."""
    for change in made_with(network, state, Const(channels), formula) if attempt else ():
        errors = attempt(change) if attempt else None
        if errors is not None and all(error.code != "NET403" for error in errors):
            return change.fix
    return f"end it in `conv({formula}, 1)`"
