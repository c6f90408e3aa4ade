"""Checks that a convolution that whitens patches of images can do so."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostics, remove
from netdsl.ir.resolved import OperationStep, ResolvedNetwork, Whitening
from netdsl.ir.typed import TypedOperation, TypedPart, TypedSection
from netdsl.language.expressions import Const
from netdsl.ops.conv import Conv
from netdsl.shapes.repair.candidates import with_arguments


def whitened(parts: Sequence[TypedPart], label: str) -> tuple[OperationStep, Conv] | None:
    """The first step of the network, if it is the convolution with this label."""
    first = next(iter(parts), None)
    step = next(iter(first.body.steps), None) if isinstance(first, TypedSection) else None
    if isinstance(step, TypedOperation) and isinstance(step.operation, Conv) and step.step.label == label:
        return step.step, step.operation
    return None


def check_whitening(
    network: ResolvedNetwork, parts: Sequence[TypedPart], whitening: Whitening, diagnostics: Diagnostics
) -> None:
    """Reports a rule `whiten` for what isn't the first step, or whose filters the patches can't give."""
    found = whitened(parts, whitening.label)
    if found is None:
        message = f"`whiten` needs the images as input, but `{whitening.label}` isn't the first convolution"
        fix = remove(whitening.span, "leave the rule out", safe=False)
        help = f"give the label `{whitening.label}` to the first step of the network, a `conv`"
        diagnostics.error("NET305", message, whitening.span, help=(fix, help))
        return
    step, conv = found
    most = 2 * network.input[0] * conv.kernel[0] * conv.kernel[1]
    if conv.groups != 1:
        message = f"`whiten` is for a convolution of all channels, but this one has {conv.groups} groups"
        diagnostics.error("NET305", message, step.span, help=with_arguments(step, {"groups": Const(1)}).fix)
    elif conv.out % 2 or conv.out > most:
        message = f"`whiten` gives pairs of filters, {most} at most, but this convolution has {conv.out}"
        out = min(most, conv.out + conv.out % 2)
        diagnostics.error("NET305", message, step.span, help=with_arguments(step, {"out": Const(out)}).fix)
