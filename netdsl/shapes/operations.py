"""Applies operations: checks their arguments, and computes shapes and costs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction

from netdsl.base.source import Span
from netdsl.base.values import Value, near_divisors, show
from netdsl.diagnostics import Diagnostics, Edit, Fix, Help, Label, write
from netdsl.diagnostics.fixes import edited
from netdsl.ir.resolved import OperationStep
from netdsl.ir.typed import TypedOperation
from netdsl.language.argument_types import Mismatch, convert, schema, signature
from netdsl.language.expressions import (
    Const,
    Environment,
    Expr,
    Operator,
    Ref,
    known_or_none,
    places_of,
    references,
)
from netdsl.ops import Operation
from netdsl.ops.operation import UNKNOWN, VECTOR, ShapeMismatch
from netdsl.resolve.bind_arguments import meant, wrong_argument
from netdsl.shapes.error_reporter import ErrorReporter, origin, shrinking
from netdsl.shapes.operation_result import OperationResult, operation_result
from netdsl.shapes.repair.candidates import with_arguments, write_arguments
from netdsl.shapes.repair.change import Attempt, best
from netdsl.shapes.tensor_state import TensorState

# The number of other groups that are tried.
_NEAR = 4
# Kernels are smaller than this, and numbers of channels mostly larger.
_CHANNELS = 12


class Operations:
    """Applies operations. The result for equal arguments and input shapes is computed once."""

    def __init__(self, reports: ErrorReporter, attempt: Attempt | None) -> None:
        self._reports = reports
        self._attempt = attempt
        # Steps that need a vector and got a map; the shape after them is a guess.
        self._guessed: set[Span] = set()
        self._effects: dict[tuple[object, ...], OperationResult] = {}
        # The arguments of steps whose arguments are constants, by identity.
        self._constant: dict[int, tuple[OperationStep, dict[str, Value], tuple[object, ...]]] = {}

    @property
    def different(self) -> int:
        """The number of operations with different arguments or inputs."""
        return len(self._effects)

    def apply(
        self, step: OperationStep, environment: Environment, state: TensorState
    ) -> tuple[TypedOperation | None, TensorState]:
        """The operation, or None after an error or for an unknown input, and the tensor after it."""
        # 1 and True are equal in Python.
        kept, values, types = self._constant.get(id(step), (None, {}, ()))
        if kept is not step:
            values = self._reports.values(step.arguments, environment)
            types = (*map(type, values.values()), *values.values())
            if all(isinstance(expr, Const) for _, expr in step.arguments):
                self._constant[id(step)] = (step, values, types)
        key = (step.operation, state.shape, *types)
        found = self._effects.get(key)
        if found is None:
            operation = self._converted(step, values, environment)
            if operation is None:
                return None, state.lost()
            if not state.known:
                return None, self._poisoned(operation, step, values, state)
            output = operation.infer(state.shape)
            if isinstance(output, ShapeMismatch):
                if output.cause == "vector" and state.made in self._guessed:
                    return None, state.lost()
                self._shape_mismatch(output, step, values, state)
                if len(state.shape) > len(operation.whatever()) > 0:
                    self._guessed.add(step.span)
                meant = output.output or operation.whatever()
                return None, _after(operation_result(operation, values, state.shape, meant), step, state)
            found = self._effects[key] = operation_result(operation, values, state.shape, output)
        typed = TypedOperation(step, found.operation, state.shape, found.output, found.cost)
        return typed, _after(found, step, state)

    def _poisoned(
        self, operation: Operation, step: OperationStep, values: Mapping[str, Value], state: TensorState
    ) -> TensorState:
        """The tensor after an operation on an unknown input. A vector of unknown length is still not a
        map.
        """
        output = operation.whatever()
        if state.shape == VECTOR:
            inferred = operation.infer(state.shape)
            if isinstance(inferred, ShapeMismatch) and inferred.cause == "vector":
                self._shape_mismatch(inferred, step, values, state)
            elif not isinstance(inferred, ShapeMismatch):
                output = inferred
        return _after(operation_result(operation, values, UNKNOWN, output), step, state)

    def _converted(
        self, step: OperationStep, values: dict[str, Value], environment: Environment
    ) -> Operation | None:
        """The operation with its arguments; None if one has no value, or a wrong one."""
        exprs = dict(step.arguments)
        # An argument without a value was reported; the others are still checked.
        whole = len(values) == len(exprs)
        checked = convert(step.operation, values) if whole else _mismatches(step, values)
        if isinstance(checked, Operation):
            return checked
        types = {parameter.name: parameter.type for parameter in signature(step.operation)}
        for name, mismatch in checked.items():
            expr = exprs[name] if exprs[name].span else replace(exprs[name], span=step.span)
            place, around, calls = self._reports.written(expr, environment)
            found = Diagnostics()
            mismatch = meant(values[name], types[name]) or mismatch
            wrong_argument(step.operation.name, name, place, mismatch, found, values[name])
            note = _where(place, around)
            used = (Label(expr.span, "used here"),) if expr.span and place is not expr else ()
            # A constant with a wrong value is reported once.
            cause = expr.name if isinstance(expr, Ref) else ""
            for diagnostic in found:
                counted = _counted(place, values[name], around, self._reports.parameters(calls))
                help = counted or _rounded(place, values[name], mismatch.expected, around) or diagnostic.help
                labels = diagnostic.labels + used
                self._reports.add(replace(diagnostic, labels=labels, notes=note, help=help), cause, calls)
        return None

    def _shape_mismatch(
        self, mismatch: ShapeMismatch, step: OperationStep, values: Mapping[str, Value], state: TensorState
    ) -> None:
        also = origin(state) if mismatch.cause != "arguments" else []
        notes = shrinking(state) if mismatch.cause == "size" else []
        help: Help = (
            _without_channels(step, values, state)
            or _swapped(step, values)
            or self._groups(step, values, state)
            or _own(mismatch, step, state)
        )
        if mismatch.cause == "vector" and values.get("kernel") == 1 and "out" in values:
            help = write(step.span, f"linear({_text(step, values)})")
        if mismatch.cause == "vector" and state.made and state.made.text.isdigit():  # the network's input
            side = math.isqrt(state.shape[0])
            square = side if side * side == state.shape[0] else state.shape[0]
            meant = f"1x{square}x{square}" if step.operation.name == "conv" else f"{state.shape[0]}x1x1"
            help = write(state.made, meant, ": channels x height x width", shown=f"input {meant}")
        if isinstance(help, str) and state.made and state.made.text.startswith("token("):
            help = help.replace("`flatten`", f"`{state.made.text}`")
        # Steps of a block with the same wrong number of groups have one cause.
        cause = f"{values['groups']} groups" if mismatch.message.endswith("groups") else ""
        self._reports.error(
            "NET402", mismatch.message, step.span, also=also, notes=notes, help=help, cause=cause
        )

    def without_channels(
        self, step: OperationStep, environment: Environment, state: TensorState
    ) -> Fix | None:
        """The fix for a call with a number of channels that it doesn't take; None for other calls."""
        return _without_channels(step, self._reports.values(step.arguments, environment), state)

    def _groups(self, step: OperationStep, values: Mapping[str, Value], state: TensorState) -> Help:
        """The help for a wrong number of groups: the nearest ones that divide the channels in the whole
        network, else the nearest numbers of channels that the groups divide.
        """
        groups = values.get("groups")
        if not isinstance(groups, int) or len(state.shape) != 3:
            return ""
        if groups == state.shape[0] and isinstance(kernel := dict(step.arguments).get("kernel"), Const):
            stride = dict(step.arguments).get("stride")
            more = f", {stride.span.text}" if stride and stride.span else ""
            steps = f"depthwise({show(kernel.value)}{more}), conv({_text(step, values)}, 1)"
            return write(step.span, steps, ": `depthwise` keeps the channels", safe=False)
        out = values.get("out")
        sizes = [n for n in (state.shape[0], out) if isinstance(n, int) and n % groups]
        if not isinstance(dict(step.arguments)["groups"], Const):  # it applies to other steps too
            return _divided(sizes[0], groups) if sizes else ""
        near = [n for n in near_divisors(state.shape[0], groups) if 1 < n < state.shape[0]][:_NEAR]
        # Other inputs of the step are most likely divided by a common factor.
        if (common := math.gcd(groups, state.shape[0])) > 1 and common not in near:
            near.append(common)
        changes = [with_arguments(step, {"groups": Const(n)}) for n in near]
        tried = zip(near, changes, strict=True)
        found = [(n, change) for n, change in tried if best([change], self._attempt, {step.span})]
        if found:
            fixes = (
                Fix(f"write `groups={n}`", change.fix.edits, safe=False) for n, change in sorted(found[:2])
            )
            return tuple(fixes)
        if not near or not sizes or self._attempt is None:
            return ""
        return _divided(sizes[0], groups)


def _divided(channels: int, groups: int) -> str:
    """The help with the nearest numbers of channels that the groups divide."""
    below = channels - channels % groups
    fitting = [f"{n:d}" for n in (below, below + groups) if n]
    return f"use {' or '.join(fitting)} channels in place of {channels}, so that {groups} divides them"


def _own(mismatch: ShapeMismatch, step: OperationStep, state: TensorState) -> Help:
    """The help of an operation that doesn't fit its input, with the edits for what is most likely meant."""
    made, own = state.made, mismatch.own
    if mismatch.cause == "vector" and made and made.text == "flatten" and made.source is step.span.source:
        edits = write(made, step.span.text).edits + write(step.span, "flatten").edits
        return Fix(mismatch.help, edits, safe=False)
    if not own:
        return mismatch.help
    name, equals, value = own.partition("=")
    if equals and name.isidentifier():
        edits = write_arguments(step, {name: value}).edits
    else:
        edits = write(step.span, own.replace("…", step.span.text)).edits
    constant = all(isinstance(expr, Const) for _, expr in step.arguments)  # it may fit other calls of a block
    return Fix(mismatch.help, edits, safe=mismatch.safe and constant and step.unit is None)


def _without_channels(step: OperationStep, values: Mapping[str, Value], state: TensorState) -> Fix | None:
    """The fix for a call that starts with a number of channels that its operation doesn't take: those of a
    depthwise convolution or pool, or the input channels of a convolution.
    """
    kernel, first = values.get("kernel"), next(iter(values), "")
    given = [expr.span for _, expr in step.arguments if expr.span and expr.span.within(step.span)]
    # `conv(3, 6, 5)` on three channels: an even kernel and an odd stride.
    stride = values.get("stride")
    swapped = (
        isinstance(kernel, int) and isinstance(stride, int) and kernel % 2 == 0 and stride % 2 == 1 < stride
    )
    if not isinstance(kernel, int) or (kernel < _CHANNELS and not swapped) or len(given) < 2:
        return None
    start, end = (span.start - step.span.start for span in given[:2])
    by_name = "=" in step.span.text[start:end]
    if by_name or (first == "out" and (values["out"] != state.shape[0] or len(given) < 3)):
        return None
    what = "channels" if first == "kernel" else "input channels"
    call = f"{step.span.text[:start]}{step.span.text[end:]}"
    return write(step.span, call, f": `{step.operation.name}` takes no number of {what}")


def _swapped(step: OperationStep, values: Mapping[str, Value]) -> Fix | None:
    """The fix for `conv(3, 64)`, whose kernel is in the place of the channels."""
    out, kernel = values.get("out"), values.get("kernel")
    arguments = dict(step.arguments)
    written = [arguments[name].span for name in ("out", "kernel") if name in arguments]
    if not isinstance(out, int) or not isinstance(kernel, int) or not all(written):
        return None
    if out % 2 == 0 or out >= _CHANNELS or kernel < _CHANNELS or kernel % 2:
        return None
    first, second = (span for span in written if span)
    edits = (Edit(first, second.text), Edit(second, first.text))
    call = edited(step.span.source.text, edits)[step.span.start : step.span.end]
    return Fix(f"write `{call}`: the channels come first", edits, safe=False)


def _where(expr: Expr, environment: Environment) -> tuple[str, ...]:
    """A note with the values of the names in an expression."""
    names = (name for name in dict.fromkeys(references(expr)) if name in environment)
    known = [f"`{name}` is {show(environment[name])}" for name in names]
    return (", ".join(known) + " here",) if known and isinstance(expr, Operator) else ()


def _rounded(expr: Expr, value: Value, expected: str, environment: Environment) -> Help:
    """The help that makes a quotient or product a valid number."""
    if expr.span is None or isinstance(expr, Const):
        return ""
    if isinstance(expr, Ref):
        if not isinstance(value, Fraction) or "whole" not in expected:
            return ""
        rounded = write(expr.span, f"floor({expr.name})", safe=value >= 1)
        return (rounded, "write `//` where it is divided")
    if value == 0 and expr.name == "//":
        own = write(expr.span, f"max(1, {expr.span.text})")
        least = _least(expr, environment)
        return (least, own) if least else own
    if isinstance(value, Fraction) and expr.name == "*" and "whole" in expected:
        return write(expr.span, f"floor({expr.span.text})")
    if isinstance(value, Fraction) and expr.name == "/" and "whole" in expected:
        left, right = (operand.span for operand in expr.operands)
        if left and right:
            slash = Span(left.source, left.end, right.start)
            whole = f"{expr.span.text[: left.end - expr.span.start]}{slash.text.replace('/', '//')}"
            shown = whole + expr.span.text[right.start - expr.span.start :]
            return write(slash, slash.text.replace("/", "//"), ", which rounds down", shown=shown)
    return ""


def _counted(expr: Expr, value: Value, environment: Environment, parameters: Collection[str]) -> Fix | None:
    """The fix for an index that makes a product 0."""
    names = (name for name in references(expr) if environment.get(name) == 0 and name not in parameters)
    name = next(names, "") if value == 0 and isinstance(expr, Operator) and expr.name == "*" else ""
    title = f"write `({name} + 1)` in place of `{name}`, which counts from 0"
    return Fix(title, tuple(Edit(span, f"({name} + 1)") for span in places_of(expr, name))) if name else None


def _least(quotient: Operator, environment: Environment) -> str:
    """The help with the smallest valid dividend."""
    whole, divisor = quotient.operands
    least = known_or_none(divisor, environment)
    return f"make `{whole.name}` at least {show(least)}" if isinstance(whole, Ref) and least else ""


def _mismatches(step: OperationStep, values: Mapping[str, Value]) -> dict[str, Mismatch]:
    fields = (field for field in schema(step.operation) if field.name in values)
    found = {field.name: field.metadata["type"].convert(values[field.name]) for field in fields}
    return {name: result for name, result in found.items() if isinstance(result, Mismatch)}


def _after(found: OperationResult, step: OperationStep, state: TensorState) -> TensorState:
    return state.through(found.output, found.reduction, found.window, found.deep, step, found.regular)


def _text(step: OperationStep, values: Mapping[str, Value]) -> str:
    """The text of a step's number of outputs."""
    span = dict(step.arguments)["out"].span
    return span.text if span and span.within(step.span) else show(values["out"])
