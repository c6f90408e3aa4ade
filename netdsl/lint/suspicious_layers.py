"""Warnings about layers that are most likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from typing import cast

from netdsl.base.source import Span
from netdsl.base.tree import bodies, steps
from netdsl.base.values import is_number, normal, show
from netdsl.diagnostics import Diagnostic, Diagnostics, Help, Label, add_line, remove, write
from netdsl.ir.resolved import Expectation, FromStep
from netdsl.ir.typed import (
    TypedBody,
    TypedEach,
    TypedLet,
    TypedMark,
    TypedNetwork,
    TypedOperation,
    TypedSection,
    TypedSkip,
    TypedStage,
    TypedStep,
    TypedWhen,
    names_of,
    operations,
)
from netdsl.language.expressions import Const, constant, known
from netdsl.ops import Operation
from netdsl.ops.linear import Flatten, Linear
from netdsl.ops.operation import Shape, Slot, Symbolic, show_shape
from netdsl.resolve.last_norm import roles
from netdsl.shapes.repair.reorder import channels_last, write_input

# A network with fewer layers is not checked for its receptive field.
_LAYERS = 5
# The number of places shown for one cause.
_SHOWN = 3


def warn_of_layers(network: TypedNetwork, diagnostics: Diagnostics) -> None:
    """Warns of suspicious layers and expectations."""
    _Layers(network, diagnostics).run()


class _Layers:
    """A step gets a warning if it is suspicious in every block and iteration that has it."""

    def __init__(self, network: TypedNetwork, diagnostics: Diagnostics) -> None:
        self._network = network
        self._diagnostics = diagnostics
        self._odd: dict[tuple[str, Span], Diagnostic] = {}
        # Messages and places of steps that are fine in another instance.
        self._fine: set[tuple[str, Span]] = set()
        self._checked: set[tuple[object, ...]] = set()
        self._biased: list[TypedOperation] = []

    def run(self) -> None:
        for part in self._network.parts:
            if isinstance(part, TypedSection):
                self._shortcuts(part.body)
        before: TypedStep | TypedStage | None = None
        for part in self._network.parts:
            before = part if isinstance(part, TypedStage) else self._body(part.body, before)
        if self._network.network.outputs:
            self._unused(before, self._network.network.outputs[-1].span, "the `output`s are other tensors")
        for instance in self._network.instances:
            self._body(instance.body)
        self._input()
        self._biases()
        self._end()
        self._field()
        for expectation in self._network.network.expectations:
            self._expectation(expectation)
        for key, found in self._odd.items():
            if key not in self._fine:
                self._diagnostics.add(found)

    def _check(
        self, odd: bool, code: str, span: Span, message: str, help: Help, also: Sequence[Label] = ()
    ) -> None:
        if odd:
            labels = (Label(span), *also)
            self._odd.setdefault((message, span), Diagnostic(code, message, labels, (), help))
        else:
            self._fine.add((message, span))

    # steps

    def _body(
        self, body: TypedBody, before: TypedStep | TypedStage | None = None
    ) -> TypedStep | TypedStage | None:
        """Checks the steps of a body, which follows the step or stage `before`; returns its last step."""
        previous: TypedStep | None = None  # in this body
        for step in body.steps:
            if isinstance(step, TypedLet):
                continue
            if isinstance(step, TypedWhen):
                before, previous = self._body(step.body, before), None
                continue
            if isinstance(step, TypedEach) or (
                isinstance(step, TypedMark) and isinstance(step.step, FromStep)
            ):
                self._unused(before, step.step.span, f"`{step.step.span.text}` takes another tensor")
            if isinstance(step, TypedOperation):
                first = previous if isinstance(previous, TypedOperation) else None
                # Equal steps of other instances of a block have the same operations.
                pair = (*_identity(first), *_identity(step))
                if pair not in self._checked:
                    self._checked.add(pair)
                    self._operation(step)
                    if first:
                        self._pair(first, step)
            for inner in bodies(step):
                self._body(inner)
            before = previous = step
        self._flattened(body.steps)
        return before

    def _unused(self, before: TypedStep | TypedStage | None, place: Span, why: str) -> None:
        """Warns of the result of a step that isn't saved where the next one doesn't take it."""
        if before is None or isinstance(before, (TypedMark, TypedEach)):
            return
        span = before.stage.span if isinstance(before, TypedStage) else before.step.span
        if isinstance(before, TypedOperation):
            span = before.step.unit or span
        span = span.first_line
        message = f"the result of `{span.text}` is not used: {why}"
        self._check(True, "NET708", span, message, "save it, or remove it", [Label(place)])

    def _flattened(self, steps: Sequence[TypedStep]) -> None:
        """Warns of linear layers on a map that is flattened after them."""
        first: TypedOperation | None = None
        for step in steps:
            match step:
                case TypedOperation(operation=Linear(), input=input) if _area(input) > 1:
                    first = first or step
                case TypedOperation(operation=Flatten()) if first is not None:
                    span = first.step.span
                    message = (
                        f"`linear` acts on each of the {_area(first.input)} positions of a map, which is "
                        "flattened after it"
                    )
                    fix = write(span, f"flatten, {span.text}", safe=False)
                    help = replace(fix, title="put `flatten` before it, if it is for the whole map")
                    also = [Label(step.step.span, "flattened here")]
                    self._check(True, "NET714", span, message, help, also)
                    first = None
                case TypedOperation(operation=operation) if operation.by_number:
                    pass
                case _:
                    first = None

    def _shortcuts(self, body: TypedBody) -> None:
        """Warns of shortcuts without effect in a section, which has no parameters."""
        for step in steps(body):
            if isinstance(step, TypedSkip) and step.step.shortcut:
                message = "the `shortcut` has no effect: the body keeps the shape, and x itself is added"
                help = "remove the `shortcut`, or change the channels or the stride in the body"
                self._check(step.same, "NET708", step.step.span, message, help)

    def _operation(self, typed: TypedOperation) -> None:
        name, span = typed.operation.name, typed.step.span
        kernel, stride = max(typed.operation.field()), _stride(typed.operation)
        skipped = 1 < kernel < stride and _area(typed.output) < _area(typed.input)
        message = f"`{name}` has a stride of {stride} and a window of {kernel}: it skips some pixels"
        self._check(skipped, "NET704", span, message, "use a larger kernel or a smaller stride")
        arguments = dict(typed.step.arguments)
        momentum = arguments.get("momentum")
        if isinstance(momentum, Const) and is_number(momentum.value) and momentum.span:
            message = f"`momentum` of `{name}` is the weight of the new batch: {show(momentum.value)} is much"
            own = show(normal(1 - Fraction(momentum.value)))  # type: ignore[arg-type]
            fix = write(momentum.span, own, ", as in torch", shown=f"momentum={own}")
            self._check(momentum.value > Fraction(1, 2), "NET713", momentum.span, message, fix)  # type: ignore[operator]
        if typed.operation.infer((1, 1, 1)) == (1,):  # it makes vectors of maps
            message = f"`{name}` of a vector has no effect"
            self._check(len(typed.input) == 1, "NET708", span, message, _removed(typed))

    def _pair(self, first: TypedOperation, second: TypedOperation) -> None:
        if second.operation.centres and _adds_bias(first) and _side_by_side(first, second):
            self._biased.append(first)
        twice = first.operation.is_activation and second.operation.is_activation
        message = f"`{second.operation.name}` directly follows `{first.operation.name}`"
        near = first.step.span.source is second.step.span.source
        also = [Label(first.step.span, "this one")] if near else []
        fix = _removed(second, "remove one of them")
        self._check(twice, "NET708", second.step.span, message, fix, also)

    # the whole

    def _input(self) -> None:
        """Warns of an input with its channels last, as in other libraries."""
        shape, span = self._network.network.input, self._network.network.input_span
        if first := channels_last(shape):
            message = f"the `input` has {shape[0]} channels, but looks like an image with its channels last"
            fix = write_input(self._network.network, first)
            self._check(True, "NET710", span, message, fix)

    def _biases(self) -> None:
        """Warns of biases without effect, once for the network: one `default` corrects them all."""
        places = {typed.step.span for typed in self._biased}
        spans = sorted((span for span in places if not span.source.builtin), key=lambda span: span.start)
        if spans:
            name = self._biased[0].operation.name
            self._check(
                True,
                "NET703",
                spans[0],
                "a bias before a batch norm has no effect: the norm subtracts the mean of each channel",
                (
                    add_line(self._network.network.input_span, f"default {name}(bias=no)", safe=False),
                    f"write `default {name}(bias=yes)` to keep it",
                ),
                [Label(span) for span in spans[1:_SHOWN]],
            )

    def _end(self) -> None:
        """Warns of an activation or dropout after the scores."""
        if self._network.network.classes is None:
            return
        last = self._scores()
        if isinstance(last, TypedOperation) and (last.operation.is_activation or _in_training(last)):
            self._check(
                True,
                "NET709",
                last.step.span,
                f"`{last.operation.name}` changes the scores, which the loss needs unchanged",
                _removed(last),
            )

    def _scores(self) -> TypedStep | TypedStage | None:
        """The step or stage that makes the first output."""
        before: TypedStep | TypedStage | None = None
        found: TypedStep | TypedStage | None = None
        name = self._network.outputs[0].name
        for part in self._network.parts:
            for step in (part,) if isinstance(part, TypedStage) else _in_line(part.body):
                if isinstance(step, TypedEach):
                    before = step.instances[-1].body.steps[-1]
                elif not isinstance(step, TypedMark):
                    before = step
                if not isinstance(step, TypedStage) and name in names_of(step):
                    found = before
        return found or before

    def _field(self) -> None:
        """Warns of a small receptive field before the only global pool."""
        shape, side = self._network.network.input, self._network.receptive_field
        if self._network.depth < _LAYERS or 2 * side >= max(shape[1:], default=0):
            return
        collapses = [op for op in operations(self._network) if _area(op.input) > 1 >= _area(op.output)]
        if len(collapses) != 1 or len(collapses[0].output) == 1:
            return
        name, pixels = collapses[0].operation.name, show_shape(shape[1:])
        self._check(
            True,
            "NET705",
            collapses[0].step.span,
            f"each position that `{name}` averages has a receptive field of {side}x{side} of {pixels} pixels",
            "add layers or strides before it",
        )

    def _expectation(self, expectation: Expectation) -> None:
        value, comparison = expectation.value, expectation.comparison
        if not isinstance(value, (int, Fraction)):
            return
        always = {">": value < 0, ">=": value <= 0, "!=": value < 0 or value != int(value)}
        if always.get(comparison):
            shown = f"{expectation.quantity} {comparison} {show(value)}"
            self._check(
                True,
                "NET707",
                expectation.span,
                f"`{shown}` holds for every network",
                "write another number",
            )


def _removed(typed: TypedOperation, title: str = "remove it") -> Help:
    """The help that removes a step; that of a unit is in all units."""
    return remove(typed.step.span, title) if typed.step.unit is None else title


def _in_line(body: TypedBody) -> Iterator[TypedStep]:
    """The steps of a body and of the chosen cases in it."""
    for step in body.steps:
        if isinstance(step, TypedWhen):
            yield from _in_line(step.body)
        elif not isinstance(step, TypedLet):
            yield step


def _arguments(operation: Operation) -> dict[str, Const]:
    return {f.name: constant(getattr(operation, f.name)) for f in fields(operation)}


def _stride(operation: Operation) -> int:
    stride: object = getattr(operation, "stride", 1)
    if isinstance(stride, tuple):
        return max(cast(tuple[int, int], stride))
    return stride if isinstance(stride, int) else 1


def _adds_bias(typed: TypedOperation) -> bool:
    """True if it has a bias by default."""
    arguments = dict(typed.step.arguments)
    given = "bias" in arguments and arguments["bias"].span is not None
    weights = typed.operation.weights(_arguments(typed.operation), Symbolic(Const(1), is_map=True))
    return not given and any(weight.role == "bias" and known(weight.present, {}) for weight in weights)


def _side_by_side(first: TypedOperation, second: TypedOperation) -> bool:
    """True if the file has them side by side, or one unit has both; two units follow the `order`, which is
    written on purpose.
    """
    if second.step.unit:
        return second.step.unit == (first.step.unit or first.step.span)
    one, other = first.step.span, second.step.span
    between = one.source.text[one.end : other.start]
    return one.source is other.source and one.end <= other.start and not between.strip(" ,\n\r\t")


def _identity(typed: TypedOperation | None) -> tuple[object, ...]:
    return (id(typed.step), id(typed.operation), typed.input) if typed else ()


def _in_training(typed: TypedOperation) -> bool:
    """True if it has an effect in training only."""
    call = typed.operation.function(dict(typed.step.arguments), Symbolic(Const(1), is_map=False))
    return call is not None and Slot("training") in call.positional and not roles(type(typed.operation))


def _area(shape: Shape) -> int:
    return shape[1] * shape[2] if len(shape) == 3 else 0
