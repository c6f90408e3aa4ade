"""Names in generated code: those of the file where Python lets them stand, never two for one thing."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Iterator

from netdsl.codegen.python import Call, Expression, Literal, Name, Operation, Sequence, show
from netdsl.expressions import Const as Constant
from netdsl.expressions import Expr, Operator, Ref

# Names that generated code uses for itself: everywhere, and in the functional style besides.
_COMMON = "torch nn F Tensor self x forward in_channels in_features"
_FUNCTIONAL = (
    "y p b init Init params buffers tensors training dtype device generator init_params init_buffers"
)
RESERVED = frozenset(_COMMON.split()) | frozenset(keyword.kwlist) | frozenset(dir(builtins))
RESERVED_FUNCTIONAL = RESERVED | frozenset(_FUNCTIONAL.split())


class Names:
    """Gives out names that are free in one scope."""

    def __init__(self, taken: Iterable[str] = RESERVED) -> None:
        self._taken = set(taken)

    def free(self, name: str) -> str:
        """The name, with a trailing `_` (or more) where it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def numbered(self, name: str) -> str:
        """The name, else the name with the first free number from 2 up."""
        candidates = (name if n == 1 else f"{name}{n}" for n in range(1, 10**6))
        found = next(candidate for candidate in candidates if candidate not in self._taken)
        self._taken.add(found)
        return found


def camel(name: str) -> str:
    """`three_layer_convnet` as a class is called: `ThreeLayerConvnet`."""
    joined = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return joined if joined[:1].isalpha() else f"Net{joined}"


def enumerated(names: Iterable[str]) -> Iterator[str]:
    """Names in order, numbered from 1 where a name stands more than once: conv1, relu1, conv2, …"""
    listed = list(names)
    total, seen = Counter(listed), Counter[str]()
    taken = {name for name, times in total.items() if times == 1}
    for name in listed:
        numbered = name
        while total[name] > 1 and (numbered == name or numbered in taken):
            seen[name] += 1
            numbered = f"{name}{seen[name]}"
        taken.add(numbered)
        yield numbered


class Translator:
    """Expressions of the language in the names of one scope of generated code; notes which names it met.

    `in` becomes `size_name`: `in_channels`, or `in_features` of a vector.
    """

    def __init__(self, names: dict[str, str], size_name: str) -> None:
        self._names = {**names, "in": size_name}
        self.used: set[str] = set()

    def __call__(self, expr: Expr) -> Expression:
        if isinstance(expr, Constant):
            return Literal(expr.value)
        if isinstance(expr, Ref):
            self.used.add(expr.name)
            return Name(self._names[expr.name])
        return self._operator(expr)

    def _operator(self, expr: Operator) -> Expression:
        operands = tuple(map(self, expr.operands))
        match expr.name:
            case "min" | "max" | "round":
                return Call(expr.name, operands)
            case "pair" if (whole := _taken_apart(expr)) is not None:
                return self(whole)
            case "item":
                return Name(f"{show(operands[0])}[{show(operands[1])}]")
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


def _taken_apart(pair: Operator) -> Expr | None:
    """`k` for the pair of `k[0]` and `k[1]`."""
    items = [side for side in pair.operands if isinstance(side, Operator) and side.name == "item"]
    if len(items) == 2 and items[0].operands[0] == items[1].operands[0]:
        whole, other = items[0].operands[0], [item.operands[1] for item in items]
        return whole if other == [Constant(0), Constant(1)] else None
    return None
