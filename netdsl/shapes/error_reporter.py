"""Reports the errors of shape inference, each cause once, with the calls that lead to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace

from netdsl.base.lazy_dataclass import lazy_dataclass
from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Value
from netdsl.diagnostics import Diagnostic, Diagnostics, Fix, Help, Label
from netdsl.ir.resolved import BlockDefinition, Bound
from netdsl.language.expressions import Const, Environment, Expr, Ref, evaluate
from netdsl.ops.operation import describe, show_shape
from netdsl.shapes.body_scope import shown_arguments
from netdsl.shapes.tensor_state import TensorState

# A longer path of calls is shortened in the middle.
_LONGEST = 6
# The number of sizes of a map that are shown.
_SIZES = 6


@lazy_dataclass
class Via:
    """A call on the path to an error: its text, as `residual(16, stride=2)`, its span and environment.

    `given` are the arguments, `defaults` the block's constant defaults.
    """

    text: str
    span: Span
    environment: Environment = field(default_factory=dict, compare=False)
    given: Mapping[str, Expr] = field(default_factory=dict, compare=False)
    defaults: Mapping[str, Expr] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls, block: BlockDefinition, given: Bound, values: Environment, span: Span, environment: Environment
    ) -> Via:
        """The call of a block whose parameters have these `values`."""
        defaults = {name: default for name, default in block.parameters if isinstance(default, Const)}
        text = f"{block.name}({shown_arguments(block, values)})"
        return cls(text, span, environment, dict(given), defaults)


class Written(NamedTuple):
    """The expression that a value comes from, with its environment and the number of `calls` that lead to
    it.
    """

    expr: Expr
    environment: Environment
    calls: int


class ErrorReporter:
    """`way` is the path of calls to the current body, the outermost first."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._reported: set[tuple[str, object]] = set()
        self.way: list[Via] = []

    def parameters(self, calls: int) -> Collection[str]:
        """The parameters that have an argument in the call number `calls` of the path."""
        return self.way[calls - 1].given.keys() if calls else ()

    def written(self, expr: Expr, environment: Environment) -> Written:
        """The origin of an expression's value: of a parameter, its argument in a call, or its default."""
        calls = len(self.way)
        for index, via in reversed(list(enumerate(self.way))):
            if not isinstance(expr, Ref):
                break
            given = via.given.get(expr.name)
            if given is None or given.span is None:
                expr = via.defaults.get(expr.name, expr)
                break
            expr, environment, calls = given, via.environment, index
        return Written(expr, environment, calls)

    def add(
        self, found: Diagnostic, cause: str = "", calls: int | None = None, fix: Fix | None = None
    ) -> None:
        """Adds a diagnostic with the path of calls; `calls` of them lead to its place, by default all.

        Each place is reported once, even if it is in many blocks; so is each `cause` in a block (by default
        the message), and each `fix`.
        """
        place = found.labels[0].span if found.labels else None
        outer = self.way[0].span if self.way else place
        foreign = place is not None and outer is not None and outer.source is not place.source
        keys: set[tuple[str, object]] = {(found.code, outer if foreign else place)}
        if self.way:
            keys.add((cause or found.message, tuple(via.span for via in self.way)))
        if fix:
            keys.add(("fix", fix))
        if keys & self._reported:
            return
        self._reported |= keys
        # The outermost call is in the user's file, the innermost has the arguments.
        way = self.way[:calls]
        spans = dict.fromkeys(via.span for via in (*way[-1:], *way[:1]))
        seen = {label.span for label in found.labels}
        called = tuple(
            Label(span, "called here")
            for span in spans
            if span not in seen and not (place and place.within(span))
        )
        path = [via.text for via in self.way]
        if len(path) > _LONGEST:
            path[2:-2] = ["…"]
        notes = (*found.notes, ": ".join(path)) if path else found.notes
        # Of a block of another file the call is what can be mended.
        labels = called[::-1] + found.labels if foreign else found.labels + called
        self._diagnostics.add(replace(found, labels=labels, notes=notes))

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        also: Iterable[Label] = (),
        notes: Iterable[str] = (),
        help: Help = "",
        fix: Fix | None = None,
        cause: str = "",
    ) -> None:
        """`fix` is better than the `help`, if there is one; the `cause` is that of `add`."""
        labels = {span: Label(span, label)}
        for more in also:
            labels.setdefault(more.span, more)
        self.add(Diagnostic(code, message, tuple(labels.values()), tuple(notes), fix or help), cause, fix=fix)

    def wrong(self, code: str, message: str, expr: Expr, environment: Environment, *, help: Help) -> None:
        """An error of a value, where it was written."""
        place, _, calls = self.written(expr, environment)
        labels = dict.fromkeys(span for span in (place.span, expr.span) if span)
        texts = ("", "used here")
        shown = tuple(Label(span, text) for span, text in zip(labels, texts, strict=False))
        self.add(Diagnostic(code, message, shown, (), help), calls=calls)

    def value(self, expr: Expr, environment: Environment) -> Value | None:
        """The value; None after an error, or if a name has no value after an earlier one."""
        if isinstance(expr, Const):
            return expr.value
        found = Diagnostics()
        try:
            value = evaluate(expr, environment, found)
        except KeyError:
            return None
        for diagnostic in found:
            self.add(diagnostic)
        return value

    def values(self, bound: Bound, environment: Environment) -> dict[str, Value]:
        """The values of the arguments that have one."""
        values: dict[str, Value] = {}
        for name, expr in bound:
            value = expr.value if isinstance(expr, Const) else self.value(expr, environment)
            if value is not None:
                values[name] = value
        return values

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Discards the errors reported inside."""
        kept = self._diagnostics, self._reported
        self._diagnostics, self._reported = Diagnostics(), set()
        try:
            yield
        finally:
            self._diagnostics, self._reported = kept


def origin(state: TensorState) -> list[Label]:
    """A label for the origin of a tensor's shape."""
    return [Label(state.made, f"{describe(state.shape)} comes from here")] if state.made else []


def shrinking(state: TensorState) -> list[str]:
    """A note with the sizes of a map on the way to its current one."""
    sizes = [show_shape(size) for size in state.sizes[-_SIZES:]]
    return [f"height and width on the way: {' → '.join(sizes)}"] if len(sizes) > 1 else []
