"""How often something is repeated: a whole number, and what would make it one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from netdsl.base.values import Value, show
from netdsl.diagnostics import Diagnostics, Label
from netdsl.resolve.scope import Scope, whole
from netdsl.syntax import nodes

# How far from a constant's own value others are tried.
_FAR = 24


class Counts:
    """Reads counts; of a constant that is no whole number the first use alone is shown."""

    def __init__(self, scope: Scope, diagnostics: Diagnostics) -> None:
        self._scope = scope
        self._diagnostics = diagnostics
        self._told: set[str] = set()

    def read(self, node: nodes.Expr, value: Value | None) -> int | None:
        """The `value` of an expression as a count, or None after a diagnostic."""
        if not isinstance(value, Fraction):
            return whole(value, "`repeat`", node.span, self._diagnostics)
        if node.span.text not in self._told:
            self._told.add(node.span.text)
            self._broken(node, value)
        return None

    def _broken(self, node: nodes.Expr, value: Fraction) -> None:
        also, expression = [], node
        if isinstance(node, nodes.Name) and self._scope.defines(node.name):
            expression, _ = self._scope.definition(node.name)
            also = [Label(expression.span, f"`{node.name}` is {show(value)}")]
        fitting = list(self._fitting(node))
        help = f"{' or '.join(fitting)} makes it whole" if fitting else _rounded(expression, value)
        message = f"`repeat` takes a whole number, and this is {show(value)}"
        self._diagnostics.error("NET302", message, node.span, also=also, help=help)

    def _fitting(self, node: nodes.Expr) -> Iterator[str]:
        """The nearest values of one constant with which the expression is a whole number."""
        for name in self._scope.names():
            definition, _ = self._scope.definition(name)
            own = self._scope.constant(name)
            if not isinstance(definition, nodes.Literal) or type(own) is not int:
                continue
            found = False
            for way in (-1, 1):
                for near in range(own + way, own + way * (_FAR + 1), way):
                    value = self._scope.otherwise(name, near).value(node)
                    if near > 0 and type(value) is int and value > 0:
                        yield f"`{name}={near}`"
                        found = True
                        break
            if found:
                return


def _rounded(expression: nodes.Expr, value: Fraction) -> str:
    """The nearest count below, else above."""
    rounding, number = ("floor", math.floor(value)) if value > 1 else ("ceil", 1)
    return f"write `{rounding}({expression.span.text})`, which is {number}"
