"""The statement `output`: the saved tensors that the network returns."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Label, listing, misspelt, remove, write
from netdsl.ir.resolved import NetworkOutput
from netdsl.language.expressions import Expr, compared, evaluate, not_a_condition
from netdsl.resolve.bindings import Definitions
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes


def read_outputs(
    statements: Iterable[nodes.Output], text: Definitions, scope: Scope, diagnostics: Diagnostics
) -> tuple[NetworkOutput, ...] | None:
    """The outputs in order, without those of conditions that are false in training and in evaluation; None
    after a diagnostic. Without a statement there are none: the output is then the tensor at the end.
    """
    found: dict[str, NetworkOutput] = {}
    statements = tuple(statements)
    sound = True
    for statement in statements:
        when = _when(statement.condition, scope, diagnostics)
        sound &= when is not None
        for name in statement.names:
            if not text.saved_at_end(name.text):
                sound = False
                _undefined(name, text, diagnostics)
            elif name.text in found:
                also = [Label(found[name.text].span, "first here")]
                message = f"`{name.text}` is an output twice"
                diagnostics.error("NET202", message, name.span, also=also, help=remove(name.span))
            elif when and any(when):
                found[name.text] = NetworkOutput(name.text, name.span, in_training_only=not when[1])
    if sound and found and all(output.in_training_only for output in found.values()):
        message = "the network has no output in evaluation"
        first = next(iter(found.values())).span
        help = "save the scores, and name them in an `output` without `when training`"
        diagnostics.error("missing-statement", message, first, help=help)
        sound = False
    return tuple(found.values()) if sound else None


def _when(condition: nodes.Expr | None, scope: Scope, diagnostics: Diagnostics) -> tuple[bool, bool] | None:
    """The value of a condition in training, and in evaluation; None after a diagnostic."""
    expr = scope.expression(condition) if condition else None
    if condition is None:
        return True, True
    if expr is None:
        return None
    training = _holds(expr, condition.span, {"training": True}, diagnostics)
    evaluation = None if training is None else _holds(expr, condition.span, {"training": False}, diagnostics)
    if training is None or evaluation is None:
        return None
    if evaluation and not training:
        message = "an output of evaluation must be one of training, too"
        help = write(condition.span, "training", safe=False)
        diagnostics.error("NET106", message, condition.span, help=help)
        return None
    return training, evaluation


def _holds(expr: Expr, span: Span, values: dict[str, bool], diagnostics: Diagnostics) -> bool | None:
    value = evaluate(expr, values, diagnostics)
    if value is None or isinstance(value, bool):
        return value
    diagnostics.error("NET303", not_a_condition(value), span, help=compared(span, value))
    return None


def _undefined(name: nodes.Word, text: Definitions, diagnostics: Diagnostics) -> None:
    """Reports an output that no section saves."""
    known = text.known_at(text.end, tensor=True)
    elsewhere = next((s for s in text.symbols if s.kind == "tensor" and s.name == name.text), None)
    also = [Label(elsewhere.whole, "saved in an inner body")] if elsewhere else []
    help = misspelt(name.span, known) or (
        f"the saved ones are {listing(known)}"
        if known
        else f"write `save {name.text}` directly in a section that has no name of its own"
    )
    message = f"no section saves a tensor as `{name.text}`"
    diagnostics.error("undefined-tensor", message, name.span, also=also, help=help)
