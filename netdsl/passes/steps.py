"""Bodies: names of steps become operations and blocks, units are written out, defaults filled in."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping, Sequence

from netdsl import syntax
from netdsl.arguments import Mismatch, Parameter, Word, schema, signature
from netdsl.diagnostics import Diagnostics, Label, nearest
from netdsl.explain import STATEMENTS
from netdsl.expressions import Const, Expr, constant
from netdsl.ops import OPERATIONS, Operation
from netdsl.passes.binding import Given, bind
from netdsl.passes.scope import Scope
from netdsl.resolved import BlockStep, Body, Bound, OperationStep, SkipStep, Step
from netdsl.source import Span
from netdsl.torch_names import MODULE_ATTRIBUTES
from netdsl.values import Symbol, show

UNIT = "unit"


class StepResolver:
    """Resolves the bodies of one file."""

    def __init__(
        self,
        scope: Scope,
        blocks: Mapping[str, syntax.Block],
        order: Sequence[syntax.Call | syntax.Plus],
        defaults: Mapping[str, tuple[syntax.Argument, ...]],
        diagnostics: Diagnostics,
        unread: Collection[str] = (),
    ) -> None:
        self._unread = unread
        self._scope = scope
        self._blocks = blocks
        self.order = order
        self._defaults = defaults
        self._diagnostics = diagnostics

    def body(self, body: syntax.Body, local: Collection[str]) -> Body:
        """The steps of a body whose own names are `local`; a step with an error is left out."""
        return self._steps(body.steps, local)

    def _steps(self, steps: Sequence[syntax.Step], local: Collection[str]) -> Body:
        labels: dict[str, Span] = {}
        for step in steps:
            if isinstance(step, syntax.Call) and step.label:
                first = labels.setdefault(step.label.text, step.label.span)
                if first is not step.label.span:
                    message = f"the label `{step.label.text}` stands twice"
                    also = [Label(first, "first here")]
                    self._diagnostics.error("NET202", message, step.label.span, also=also, help="rename one")
        return tuple(resolved for step in steps for resolved in self._step(step, local))

    def _step(self, step: syntax.Step, local: Collection[str]) -> Sequence[Step]:
        match step:
            case syntax.Call():
                return self._call(step, local)
            case syntax.Skip():
                return self._skip(step, local)
            case syntax.Branches(join):
                self._unsupported(f"`{join.text}` with branches", join.span)
            case syntax.Repeat(keyword=place) | syntax.When(keyword=place):
                self._unsupported(f"`{place.text}`", place)
            case _:
                self._unsupported(f"`{step.span.text.split()[0]}` in a body", step.span)
        return ()

    def _unsupported(self, what: str, span: Span) -> None:
        self._diagnostics.error(
            "NET105", f"{what} is not supported yet", span, help="this version knows calls and `skip`"
        )

    # calls

    def _call(self, step: syntax.Call, local: Collection[str]) -> Sequence[Step]:
        name = step.name.text
        if step.label:
            self._check_label(step.label)
        if name == UNIT:
            return self._unit(step, local, self.order)
        target = self._held(step, local)
        if target is None:
            return ()
        if target in self._blocks:
            return self._block_call(step, target, local)
        if target in OPERATIONS:
            return self._operation(step, OPERATIONS[target], local)
        if name in self._unread:
            return ()
        known = [*OPERATIONS, *self._blocks, UNIT]
        help = nearest(name, known) or f"define it with `block {name}(…) {{ … }}`"
        if name in STATEMENTS:
            help = "a statement stands at the top of the file, never in a body"
        self._diagnostics.error(
            "NET201", f"there is no operation or block `{name}`", step.name.span, help=help
        )
        return ()

    def _check_label(self, label: syntax.Word) -> None:
        """A label becomes an attribute of a torch module."""
        name = label.text
        if keyword.iskeyword(name) or name in RESERVED_LABELS or name.startswith("_"):
            message = f"`{name}` has a meaning in Python or torch"
            self._diagnostics.error("NET210", message, label.span, help="choose another label")

    def _held(self, step: syntax.Call, local: Collection[str]) -> str | None:
        """The name that a step means: a network parameter may hold it."""
        name = step.name.text
        if name in self._blocks or name in OPERATIONS:
            return name
        if name in local:
            self._unsupported("a block's parameter in the place of a step", step.name.span)
            return None
        if not self._scope.defines(name):
            return name
        value = self._scope.constant(name)
        return value.name if isinstance(value, Symbol) else name if value is not None else None

    def _operation(
        self, step: syntax.Call, operation: type[Operation], local: Collection[str]
    ) -> Sequence[Step]:
        defaults = self._defaults.get(operation.name, ())
        inherited = frozenset(argument.name.text for argument in defaults if argument.name)
        given = bind(
            step.name.text,
            signature(operation),
            step.arguments,
            step.span,
            self._diagnostics,
            filled=inherited,
        )
        if given is None:
            return ()
        found = {argument.parameter: argument for argument in given}
        for argument in defaults:
            if argument.name and argument.name.text not in found:
                found[argument.name.text] = Given(argument.name.text, argument.value, argument.value.span)
        bound: list[tuple[str, Expr]] = []
        for field in schema(operation):
            arg_type = field.metadata["type"]
            if field.name not in found:
                bound.append((field.name, constant(field.default)))
                continue
            words = arg_type.words if isinstance(arg_type, Word) else ()
            expr = self._scope.argument(found[field.name].value, local, words)
            if expr is None or not self._fits(step.name.text, field.name, expr, arg_type):
                return ()
            bound.append((field.name, expr))
        return (OperationStep(operation, tuple(bound), step.span, step.label.text if step.label else None),)

    def _fits(self, name: str, argument: str, expr: Expr, arg_type: object) -> bool:
        """Constants are checked here, where every one of a file is seen; the rest when shapes are."""
        if not isinstance(expr, Const):
            return True
        result = arg_type.convert(expr.value)  # type: ignore[attr-defined]
        if isinstance(result, Mismatch):
            wrong_argument(name, argument, expr, result, self._diagnostics)
            return False
        return True

    def _block_call(self, step: syntax.Call, block: str, local: Collection[str]) -> Sequence[Step]:
        bound = self.arguments(block, step.arguments, step.span, local)
        return (
            ()
            if bound is None
            else (BlockStep(block, bound, step.span, step.label.text if step.label else None),)
        )

    def arguments(
        self, block: str, arguments: Sequence[syntax.Argument], span: Span, local: Collection[str]
    ) -> Bound | None:
        """A block's arguments bound to its parameters; what isn't given is left to the block's defaults."""
        parameters = [Parameter(p.name.text, p.default is None) for p in self._blocks[block].parameters]
        given = bind(block, parameters, arguments, span, self._diagnostics)
        if given is None:
            return None
        exprs = [(argument.parameter, self._scope.expression(argument.value, local)) for argument in given]
        bound = [(name, expr) for name, expr in exprs if expr is not None]
        return tuple(bound) if len(bound) == len(exprs) else None

    # units and skip connections

    def _unit(
        self, step: syntax.Call, local: Collection[str], order: Sequence[syntax.Call | syntax.Plus]
    ) -> list[Step]:
        """The order's steps, with this unit's arguments at its convolution."""
        steps: list[Step] = []
        for item in order:
            if isinstance(item, syntax.Plus):
                continue
            if is_placeholder(item):
                conv = syntax.Word("conv", step.name.span)
                steps += self._call(syntax.Call(conv, step.arguments, step.span, step.label), local)
            else:
                steps += self._call(item, ())
        return steps

    def _skip(self, step: syntax.Skip, local: Collection[str]) -> Sequence[Step]:
        if step.arguments:
            self._unsupported("`skip` with arguments", step.keyword)
            return ()
        inner = step.shortcut.steps if step.shortcut else ()
        if nested := next((other for other in inner if isinstance(other, syntax.Skip)), None):
            self._diagnostics.error(
                "NET105",
                "a `skip` in a shortcut is not supported yet",
                nested.keyword,
                help="put it into a block, and call that",
            )
            return ()
        steps = step.body.steps
        plus = next((i for i, item in enumerate(self.order) if isinstance(item, syntax.Plus)), None)
        after: list[Step] = []
        if plus is not None and any(is_unit(inner) for inner in steps):
            last = steps[-1]
            if not is_unit(last):
                self._diagnostics.error(
                    "NET207",
                    "with a `+` in the order, a `skip` body that uses units must end in one",
                    last.span,
                    help="end the body with a `unit`, or take the `+` out of the order",
                )
                return ()
            assert isinstance(last, syntax.Call)
            body = (*self._steps(steps[:-1], local), *self._unit(last, local, self.order[:plus]))
            after = self._unit(last, local, self.order[plus + 1 :])
        else:
            body = self._steps(steps, local)
        shortcut = None if step.shortcut is None else self.body(step.shortcut, local)
        return (SkipStep(body, shortcut, step.if_same, step.keyword), *after)


# Names that a label can't take: torch's own, and those of generated code.
RESERVED_LABELS = MODULE_ATTRIBUTES | {"self", "x"}


def is_unit(step: syntax.Step) -> bool:
    return isinstance(step, syntax.Call) and step.name.text == UNIT


def _calls_unit(item: syntax.Call | syntax.Plus) -> bool:
    return isinstance(item, syntax.Call) and is_unit(item)


def is_placeholder(item: syntax.Call | syntax.Plus) -> bool:
    """Whether an order's item is the bare `conv` that a unit's arguments go to."""
    return isinstance(item, syntax.Call) and item.name.text == "conv" and not item.arguments


def wrong_argument(
    name: str, argument: str, expr: Expr, mismatch: Mismatch, diagnostics: Diagnostics, value: object = None
) -> None:
    """`conv` takes …: the one message for an argument of a wrong value."""
    shown = show(expr.value if isinstance(expr, Const) else value)
    diagnostics.error(
        "NET205", f"`{argument}` of `{name}` is {shown}", expr.span, help=f"it must be {mismatch.expected}"
    )


def check_order(order: syntax.Order, diagnostics: Diagnostics) -> bool:
    """An order has exactly one bare `conv`, and at most one `+` after it."""
    if unit := next((item for item in order.items if _calls_unit(item)), None):
        help = "write the operations that a unit is made of"
        diagnostics.error("NET207", "an order says what a `unit` is, and has none", unit.span, help=help)
        return False
    bare = [i for i, item in enumerate(order.items) if is_placeholder(item)]
    pluses = [i for i, item in enumerate(order.items) if isinstance(item, syntax.Plus)]
    if len(bare) != 1:
        diagnostics.error(
            "NET207",
            f"an order has exactly one bare `conv`, and this one has {len(bare)}",
            order.span,
            help="as in `order bn, relu, conv`",
        )
    elif len(pluses) > 1 or (pluses and pluses[0] < bare[0]):
        diagnostics.error(
            "NET207",
            "an order has one `+` at most, after its `conv`",
            order.items[pluses[-1]].span,
            help="as in `order conv, bn, +, relu`",
        )
    else:
        return True
    return False
