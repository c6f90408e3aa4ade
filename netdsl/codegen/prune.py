"""Removes statements without effect: local variables that are not read, empty loops and branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdsl.codegen import python as py

UNUSED = "_"


def reads(node: object) -> Iterator[str]:
    """The names that statements or expressions read."""
    if isinstance(node, py.Name):
        yield _head(node.text)
    elif isinstance(node, tuple):
        if isinstance(node, py.Call):
            yield _head(node.function)
        for part in node:
            yield from reads(part)


def _head(path: str) -> str:
    """The first identifier of a dotted path, an item, a call."""
    end = next((index for index, char in enumerate(path) if not (char.isalnum() or char == "_")), len(path))
    return path[:end]


def pruned(statements: Sequence[py.Statement]) -> tuple[py.Statement, ...]:
    """The statements without local variables that are never read, and without empty loops and branches."""
    return _kept(statements, _live(statements))


def copies(value: py.Expression, variable: str, times: py.Expression) -> py.Copies:
    """`times` copies of `value`; the variable is `_` if the value does not use it."""
    return py.Copies(value, variable if variable in reads(value) else UNUSED, times)


def _live(statements: Sequence[py.Statement]) -> set[str]:
    """The names that something other than unread local variables reads."""
    live: set[str] = set()
    behind: dict[str, set[str]] = {}

    def visit(body: Sequence[py.Statement], conditions: set[str]) -> None:
        for statement in body:
            match statement:
                case py.If(condition, then, otherwise):
                    inner = conditions.union(reads(condition))
                    visit(then, inner)
                    visit(otherwise, inner)
                case py.For(_, iterable, inside):
                    visit(inside, conditions.union(reads(iterable)))
                case py.Assign(target, value, local=True):
                    behind.setdefault(target, set()).update(conditions, reads(value))
                case _:
                    live.update(conditions, reads(statement))

    visit(statements, set())
    todo = list(live)
    while todo:
        new = behind.pop(todo.pop(), set()) - live
        live |= new
        todo += new
    return live


def _kept(statements: Sequence[py.Statement], live: set[str]) -> tuple[py.Statement, ...]:
    kept: list[py.Statement] = []
    for statement in statements:
        match statement:
            case py.Assign(target, local=True) if target not in live:
                pass
            case py.If(condition, then, otherwise):
                then, otherwise = _kept(then, live), _kept(otherwise, live)
                if then:
                    kept.append(_merged(py.If(condition, then, otherwise)))
                elif otherwise:
                    kept.append(_without_first(condition, otherwise))
            case py.For(variable, iterable, body):
                if inside := _kept(body, live):
                    name = variable if variable in reads(inside) else UNUSED
                    kept.append(py.For(name, iterable, inside))
            case _:
                kept.append(statement)
    return tuple(kept)


def _merged(outer: py.If) -> py.If:
    """`if a and b` for an `if b` that is all there is in an `if a`."""
    match outer:
        case py.If(condition, (py.If(other, then, ()),), ()):
            return py.If(py.Operation("and", (condition, other)), then)
        case _:
            return outer


def _without_first(condition: py.Expression, otherwise: tuple[py.Statement, ...]) -> py.If:
    """An `if` whose first case has nothing to do."""
    match otherwise:
        case (py.If(otherwise=(_, *_)),):
            return py.If(condition, (py.PASS,), otherwise)
        case _:
            return _merged(py.If(py.negated(condition), otherwise))
