"""Statements that build a list, and those of a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.ir.lowered import Let, Repeat
from netdsl.language.expressions import Ref


def added(what: str, *items: py.Expression) -> py.Assign:
    """Adds items to a list called `what`."""
    return py.Assign(what, py.Sequence("[]", items), operator="+=")


def gathered(
    what: str, statements: Iterable[py.Statement], annotation: str, *, always: bool = False
) -> tuple[py.Statement, ...]:
    """Statements that make the list `what`, from those that add to it; annotated where mypy needs it, or
    `always`.
    """
    merged = _merged(what, statements)
    index = next((n for n, own in enumerate(merged) if not _is_local(own)), None)
    first = None if index is None else merged[index]
    if index is None or not isinstance(first, py.Assign) or not isinstance(first.value, py.Sequence):
        return (py.Assign(what, py.Sequence("[]", ()), annotation=annotation), *merged)
    merged[index] = py.Assign(what, first.value, annotation=annotation if always else "")
    return tuple(merged)


def _merged(what: str, statements: Iterable[py.Statement]) -> list[py.Statement]:
    """The statements with successive additions of items in one."""
    merged: list[py.Statement] = []
    for own in statements:
        match own, merged[-1:]:
            case py.If(condition, then, otherwise), _:
                own = py.If(condition, tuple(_merged(what, then)), tuple(_merged(what, otherwise)))
            case py.For(variable, iterable, body), _:
                own = py.For(variable, iterable, tuple(_merged(what, body)))
            case (
                py.Assign(target, py.Sequence("[]", items)),
                [py.Assign(before, py.Sequence("[]", earlier))],
            ) if (
                target == before == what
            ):
                merged.pop()
                own = added(what, *earlier, *items)
        merged.append(own)
    return merged


def _is_local(statement: py.Statement) -> bool:
    return isinstance(statement, py.Assign) and statement.local


def constant(scope: Scope, let: Let) -> py.Assign:
    """The constant of a body as a variable."""
    value = scope(let.value)
    return py.Assign(scope.define(let.name), value, local=True)


def loop(
    scope: Scope, repeat: Repeat, write: Callable[[], Sequence[tuple[py.Statement, ...]]]
) -> list[tuple[py.Statement, ...]]:
    """A loop around each of the bodies that `write` makes; the carried size is a variable beside it."""
    times = py.Call("range", (scope(repeat.times),))
    carried = repeat.carried
    before: tuple[py.Statement, ...] = ()
    after: tuple[py.Statement, ...] = ()
    if carried is not None and carried.start != Ref(carried.name):
        start = scope(carried.start)
        before = (py.Assign(scope.define(carried.name), start, local=True),)
    with scope.loop(repeat.variable) as variable:
        bodies = write()
        if carried is not None:
            after = (py.Assign(py.show(scope(Ref(carried.name))), scope(carried.next), local=True),)
    return [(*before, py.For(variable, times, (*body, *after))) for body in bodies]
