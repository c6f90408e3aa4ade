"""Candidates for the repair of a network in another order: channels first, stem first, head last."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.diagnostics import Diagnostic, Fix, Label, add_line, remove, write
from netdsl.ir.resolved import OperationStep, Part, ResolvedNetwork, Section
from netdsl.ops.operation import Shape, show_shape

# The usual numbers of channels of images.
_IMAGES = (1, 3, 4)


def channels_last(shape: Shape) -> Shape | None:
    """The shape with its channels first, if they seem to be last."""
    if len(shape) != 3 or shape[2] not in _IMAGES or min(shape[:2]) <= max(_IMAGES):
        return None
    return (shape[2], shape[0], shape[1])


def write_input(network: ResolvedNetwork, shape: Shape, why: str = "") -> Fix:
    """The fix that gives the network another input shape."""
    written = show_shape(shape)
    return write(network.input_span, written, why, shown=f"input {written}")


def whole_changes(network: ResolvedNetwork) -> Iterator[tuple[ResolvedNetwork, Diagnostic]]:
    """The network with its channels first, its stem first or its head last, with the error if that fits
    better.
    """
    if first := channels_last(network.input):
        message = f"`input` is channels x height x width, but this one has {network.input[0]} channels"
        fix = write_input(network, first)
        label = Label(network.input_span)
        yield network._replace(input=first), Diagnostic("input-shape", message, (label,), (), fix)
    order = "sections and stages run in the order of the file"
    for index, part in enumerate(network.parts):
        if isinstance(part, Section) and part.kind == "stem" and index:
            others = (*network.parts[:index], *network.parts[index + 1 :])
            label, fix = Label(part.span.first_line), _moved(
                part, network.parts[0], f"before the others: {order}"
            )
            found = Diagnostic("NET402", "`stem` is after other layers", (label,), (), fix)
            yield network._replace(parts=(part, *others)), found
    for index, part in enumerate(network.parts[:-1]):
        if isinstance(part, Section) and part.kind != "stem" and _ends_in_scores(part):
            others = (*network.parts[:index], *network.parts[index + 1 :])
            after = network.parts[index + 1].span
            message = f"`{part.kind}` makes a vector of the map, but there are layers after it"
            labels = (Label(part.span.first_line), Label(after.first_line, "this needs the map"))
            fix = _moved(part, network.parts[-1], f"to the end: {order}")
            found = Diagnostic("NET402", message, labels, (), fix)
            yield network._replace(parts=(*others, part)), found


def _moved(section: Section, other: Part, where: str) -> Fix:
    """The fix that moves a section before another part, or behind it if it is before it now."""
    before = other.span.start < section.span.start
    moved = add_line(other.span, section.span.text, before=before)
    edits = (*remove(section.span).edits, *moved.edits)
    return Fix(f"move `{section.kind}` {where}", edits, safe=_in_file(section, other))


def _in_file(*parts: Part) -> bool:
    """True if parts are statements: a row of a table can't be moved out of it."""
    starts = (part.span.source.text.rfind("\n", 0, part.span.start) + 1 for part in parts)
    return all(start == part.span.start for start, part in zip(starts, parts, strict=True))


def _ends_in_scores(section: Section) -> bool:
    """True if a section has a `flatten` or `linear` among its steps."""
    makers = (step.operation for step in section.body if isinstance(step, OperationStep))
    return any(maker.name in ("flatten", "linear") for maker in makers)
