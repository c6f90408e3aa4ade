"""The missing shortcut of a skip connection, with the names of its block: `conv(out, 1, stride)`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from netdsl.base.values import show
from netdsl.ir.resolved import OperationStep, Step
from netdsl.ir.typed import TypedBody, TypedOperation
from netdsl.language.expressions import ONE, Const, Expr, Ref, operator
from netdsl.ops.operation import Symbolic
from netdsl.resolve.last_norm import is_norm


def projection(body: TypedBody, reduction: Fraction) -> str:
    """The text of a projection with the channels and stride of a body."""
    size: Expr = Const(body.input[0])
    stride: Expr = ONE
    for step in body.steps:
        if not isinstance(step, TypedOperation):  # the output of a block is only known as a number
            size, stride = Const(step.output[0]), operator("*", stride, Const(0))
            continue
        arguments = dict(step.step.arguments)
        flow = step.operation.flow(arguments, Symbolic(size, is_map=len(step.input) == 3))
        size = flow.size if flow else Const(step.output[0])
        stride = operator("*", stride, step.operation.reduction(arguments))
    out = _words(size) or str(body.output[0])
    if reduction < 1:
        return f"upsample({1 / reduction}), conv({out}, 1)"
    if len(body.output) == 1:
        return f"linear({out})"
    # A stride by name also fits calls of the block with another stride than this one's.
    shown = _words(stride) or str(reduction)
    given = f", {shown}" if shown != "1" else ""
    norms = last_norm([step.step for step in body.steps if isinstance(step, TypedOperation)])
    return ", ".join([f"conv({out}, 1{given})", *(norm.span.text for norm in norms)])


def last_norm(steps: Sequence[Step]) -> tuple[OperationStep, ...]:
    """The norm at the end of a body, which its shortcut needs too."""
    last = steps[-1] if steps else None
    return (last,) if isinstance(last, OperationStep) and is_norm(last.operation) else ()


def _words(expr: Expr) -> str:
    """The text of the expression in the file, else empty."""
    if isinstance(expr, Ref):
        return expr.span.text if expr.span else expr.name
    if isinstance(expr, Const):
        return show(expr.value) if expr.value else ""
    return expr.span.text if expr.span else ""
