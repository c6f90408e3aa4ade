"""The names of one function of generated code, and expressions of the language in these names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from netdsl.base.values import Symbol
from netdsl.codegen.names import RESERVED, Names
from netdsl.codegen.python import Call, Expression, Item, Literal, Name, Operation, Sequence
from netdsl.language.expressions import Const as Constant
from netdsl.language.expressions import Expr, Operator, Ref


class Scope:
    """The Python names of the language's names in a function; `free` has names for other variables.

    The name of `in` is `size_name`: `in_channels`, or `in_features` of a vector. `held` are the parameters
    that hold operations; these are the torch classes `classes`, or their names if there are none.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        size_name: str = "in_channels",
        taken: Iterable[str] = RESERVED,
        held: Collection[str] = (),
        classes: Mapping[str, str] | None = None,
    ) -> None:
        self._names = {**(names or {}), "in": size_name}
        self._held = held
        self._classes = classes or {}
        self._idle: list[str] = []
        self.free = Names({*taken, *self._names.values()})

    def define(self, name: str) -> str:
        """The Python name of a name of the language, from here on."""
        self._names[name] = self.free.free(name)
        return self._names[name]

    @contextmanager
    def loop(self, variable: str | None) -> Iterator[str]:
        """The Python name of a loop's variable inside of it; another loop can use it afterwards."""
        name = variable or "i"
        if name in self._idle:
            self._idle.remove(name)
        else:
            name = self.free.free(name)
        if variable:
            self._names[variable] = name
        yield name
        if variable:
            del self._names[variable]
        self._idle.append(name)

    def held(self, expr: Expr) -> Expression:
        """An expression whose value is an operation."""
        if isinstance(expr, Constant) and isinstance(expr.value, Symbol):
            name = expr.value.name
            return Name(self._classes[name]) if name in self._classes else Literal(name)
        if isinstance(expr, Operator) and expr.name == "if":
            condition, yes, no = expr.operands
            return Operation("if", (self(condition), self.held(yes), self.held(no)))
        return self(expr)

    def __call__(self, expr: Expr) -> Expression:
        if isinstance(expr, Constant):
            return Literal(expr.value)
        if isinstance(expr, Ref):
            return Name(self._names[expr.name])
        return self._operator(expr)

    def _operator(self, expr: Operator) -> Expression:
        if expr.name in ("==", "!=") and self._classes and any(map(self._is_held, expr.operands)):
            return Operation("is" if expr.name == "==" else "is not", tuple(map(self.held, expr.operands)))
        operands = tuple(map(self, expr.operands))
        match expr.name:
            case "min" | "max" | "round" | "round_to":
                return Call(expr.name, operands)
            case "pair" if (whole := _taken_apart(expr)) is not None:
                return self(whole)
            case "item" | "index":
                return Item(*operands)
            case "pair" | "list":
                return Sequence("()", operands)
            case "floor":
                return Call("int", (Operation("//", (operands[0], Literal(1))),))
            case "ceil":
                down = Operation("//", (Operation("negative", operands), Literal(1)))
                return Operation("negative", (Call("int", (down,)),))
            case "sqrt":
                return Operation("**", (operands[0], Literal(0.5)))
            case name:
                return Operation(name, operands)

    def _is_held(self, expr: Expr) -> bool:
        return isinstance(expr, Ref) and expr.name in self._held


def _taken_apart(pair: Operator) -> Expr | None:
    """`k` for the pair of `k[0]` and `k[1]`."""
    items = [side for side in pair.operands if isinstance(side, Operator) and side.name == "item"]
    if len(items) == 2 and items[0].operands[0] == items[1].operands[0]:
        whole, other = items[0].operands[0], [item.operands[1] for item in items]
        return whole if other == [Constant(0), Constant(1)] else None
    return None
