"""Statements that build a list, and those of a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.ir.lowered import Let, Repeat


class ListBuilder:
    """Writes the statements that collect items in a list called `what`."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._statements: list[py.Statement] = []
        self._items: list[py.Expression] = []

    def add(self, *items: py.Expression) -> None:
        self._items += items

    def extend(self, items: py.Expression) -> None:
        """Adds what a list has."""
        self.write(py.Assign(self.what, items, operator="+="))

    def let(self, scope: Scope, let: Let) -> None:
        self._statements.append(constant(scope, let))

    def write(self, *statements: py.Statement) -> None:
        if self._items:
            items = py.Sequence("[]", tuple(self._items))
            self._statements.append(py.Assign(self.what, items, operator="+="))
            self._items.clear()
        self._statements += statements

    def inside(self, write: Callable[[], object]) -> tuple[py.Statement, ...]:
        """The statements that something writes, for a loop or a condition."""
        self.write()
        outside, self._statements = self._statements, []
        write()
        self.write()
        inside, self._statements = self._statements, outside
        return tuple(inside)

    def statements(self, annotation: str, *, always: bool = False) -> tuple[py.Statement, ...]:
        """All of them, from an empty list or what comes first; annotated where mypy needs it, or `always`."""
        self.write()
        index = next((n for n, own in enumerate(self._statements) if not _is_local(own)), None)
        first = None if index is None else self._statements[index]
        if index is None or not isinstance(first, py.Assign) or not isinstance(first.value, py.Sequence):
            return (py.Assign(self.what, py.Sequence("[]", ()), annotation=annotation), *self._statements)
        start = py.Assign(self.what, first.value, annotation=annotation if always else "")
        return (*self._statements[:index], start, *self._statements[index + 1 :])


def _is_local(statement: py.Statement) -> bool:
    return isinstance(statement, py.Assign) and statement.local


def constant(scope: Scope, let: Let) -> py.Assign:
    """The constant of a body as a variable."""
    value = scope(let.value)
    return py.Assign(scope.define(let.name), value, local=True)


def loop(
    scope: Scope, repeat: Repeat, write: Callable[[], Sequence[py.Statement]]
) -> tuple[py.Statement, ...]:
    """A loop around the statements that `write` makes; the carried size is a variable beside it."""
    times = py.Call("range", (scope(repeat.times),))
    carried = repeat.carried
    if carried is None:
        with scope.loop(repeat.variable) as variable:
            return (py.For(variable, times, tuple(write())),)
    start = scope(carried.start)
    size = scope.define(carried.name)
    with scope.loop(repeat.variable) as variable:
        body = (*write(), py.Assign(size, scope(carried.next), local=True))
    return (py.Assign(size, start, local=True), py.For(variable, times, body))
