"""Numbers of iterations, of a stage and of a `repeat`: the check, and values that would be valid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.source import Span
from netdsl.base.values import Value, show
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, write
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes

# A stage or a `repeat` has at most this many iterations, so that the cost of a short file is bounded.
MAX_REPEAT = 100_000
# Values of a constant this far from its own are tried.
_REACH = 24


class CountError(NamedTuple):
    code: str
    message: str
    help: Help


def count_error(value: Value, written: Span | None, low: int = 1) -> CountError | None:
    """The error of a value that is no number of iterations; `written` is the expression."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= low:
        if value <= MAX_REPEAT:
            return None
        message = f"`repeat` is {value:,}, more than the limit of {MAX_REPEAT:,}"
        return CountError("NET602", message, f"write at most {MAX_REPEAT:,}")
    message = f"`repeat` is {show(value)}, but must be a whole number of at least {low}"
    return CountError("repeat-count", message, _count_help(value, written))


def _count_help(value: Value, written: Span | None) -> Help:
    if isinstance(value, tuple):
        return f"write `{len(value)}`, and write the steps out if they differ for each item of the list"
    if not isinstance(value, Fraction) or value <= 0 or written is None:
        return "write a whole number, as `3`"
    rounding, number = ("floor", math.floor(value)) if value > 1 else ("ceil", 1)
    if written.text.replace(".", "").isdigit():
        return write(written, str(number), safe=False)
    return write(written, f"{rounding}({written.text})", f", which is {number}", safe=False)


class Counts:
    """Reads the counts of a file. For a constant that is a fraction, only the first use is reported."""

    def __init__(self, scope: Scope, diagnostics: Diagnostics) -> None:
        self._scope = scope
        self._diagnostics = diagnostics
        self._reported: set[str] = set()

    def read(self, node: nodes.Expr, value: Value | None) -> int | None:
        """The `value` of an expression as a count, or None after a diagnostic."""
        if value is None:
            return None
        also, expression = [], node
        if (
            isinstance(value, Fraction)
            and isinstance(node, nodes.Name)
            and node.name in self._scope.names.constants
        ):
            expression = self._scope.definition(node.name) or node
            also = [Label(expression.span, f"`{node.name}` is {show(value)}")]
        error = count_error(value, expression.span)
        if error is None:
            return value if isinstance(value, int) else None
        help = error.help
        if isinstance(value, Fraction):
            if node.span.text in self._reported:
                return None
            self._reported.add(node.span.text)
            fitting = list(self._fitting(node))
            help = tuple(fitting) or help
        self._diagnostics.error(error.code, error.message, node.span, also=also, help=help)
        return None

    def _fitting(self, node: nodes.Expr) -> Iterator[Fix]:
        """The nearest values of a constant for which the expression is a whole number."""
        for name in self._scope.names.constants:
            definition = self._scope.definition(name)
            own = self._scope.constant(name)
            if not isinstance(definition, nodes.Literal) or type(own) is not int:
                continue
            found = False
            for way in (-1, 1):
                for near in range(own + way, own + way * (_REACH + 1), way):
                    value = self._scope.otherwise(name, near).value(node)
                    if near > 0 and type(value) is int and value > 0:
                        yield write(definition.span, str(near), shown=f"{name}={near}", safe=False)
                        found = True
                        break
            if found:
                return
