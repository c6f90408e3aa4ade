"""The names of a block or section that is lowered, and the expressions that Python can compute."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import TypeAlias

from netdsl.base.names import numbered
from netdsl.base.values import Size, Value
from netdsl.ir.typed import Frame, Instance
from netdsl.language.expressions import (
    Const,
    Environment,
    Expr,
    Operator,
    Ref,
    known_or_none,
    operator,
    references,
    substitute,
)
from netdsl.lower.parameter_types import both, pair
from netdsl.lower.python_arithmetic import agree, in_python, is_inexact, length

# The longest expression, in operators and operands, that generated code has.
LONGEST = 60

# The value of a name in each frame.
Values: TypeAlias = dict[Frame, Value]


class NotUniform(Exception):
    """The iterations of a loop, or the instances of a block, can't have the same code."""


@dataclass(slots=True)
class Context:
    """The instances of a block or section, and the names in its generated code.

    `extra` are additional parameters of the block, with their values by the frame of each instance. `local`
    are the names that bodies define: constants, indices, running sizes.
    """

    instances: Sequence[Instance] = ()
    extra: dict[str, Values] = field(default_factory=dict)
    local: dict[Frame, dict[str, Value]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    # The expressions of local constants.
    lets: dict[str, Expr] = field(default_factory=dict)
    # The constants of the file that keep their name.
    constants: Collection[str] = ()

    def free(self, name: str) -> str:
        """The name, with a number if the block has it already."""
        return self._first(numbered(name))

    def _first(self, candidates: Iterable[str]) -> str:
        own = {parameter for instance in self.instances for parameter in instance.values}
        found = next(name for name in candidates if name not in self.taken and name not in own)
        self.taken.add(found)
        return found

    def define(self, name: str, values: Mapping[Frame, Value]) -> None:
        """Defines the values of a name in frames and those inside of them."""
        for frame, value in values.items():
            self.local.setdefault(frame, {})[name] = value

    def as_parameter(self, values: Mapping[Frame, Value], kind: str) -> Expr:
        """A value that depends on the instance: a constant if it is equal for all, else an extra
        parameter.
        """
        if any(isinstance(value, Size) for value in values.values()):
            values = {frame: pair(value) for frame, value in values.items()}
        if len({(type(value), value) for value in values.values()}) == 1:
            return Const(next(iter(values.values())))
        by_root: Values = {}
        for frame, value in values.items():
            if by_root.setdefault(frame.root, value) != value:
                raise NotUniform
        for name, known in self.extra.items():
            if known == by_root:
                return _whole(name, known)
        name = self._first(f"{kind}{n}" for n in count(1))
        self.extra[name] = by_root
        return _whole(name, by_root)

    def argument(self, expr: Expr, names: Mapping[str, Expr], frames: Collection[Frame]) -> Expr:
        """The expression in the `names` of generated code, whole if the argument is. Where Python's floats
        would differ from the language's exact numbers, it becomes an extra parameter.
        """
        renamed = substitute(expr, names)
        if isinstance(renamed, Const):
            return Ref(renamed.name) if renamed.name in self.constants else renamed
        environments = {frame: self.environment(frame) for frame in frames}
        if isinstance(renamed, Operator) and renamed.name == "round_to":
            renamed = self.simplest(renamed, renamed.operands[:1], frames)
        found = {frame: known_or_none(renamed, known) for frame, known in environments.items()}
        values = {frame: value for frame, value in found.items() if value is not None}
        if not values:
            return renamed
        if isinstance(renamed, Operator) and any(isinstance(value, Size) for value in values.values()):
            if renamed.name == "pair":
                return renamed
            return self.as_parameter(values, "size")
        written = _whole_divisions(renamed, list(environments.values()))
        python = {frame: in_python(written, environments[frame]) for frame in values}
        whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values.values())
        if whole and any(isinstance(value, float) for value in python.values()):
            written = operator("round", written)
            python = {frame: in_python(written, environments[frame]) for frame in values}
        # A whole result of a fraction is a float in Python.
        loose = any(isinstance(value, Fraction) for value in values.values())
        if length(written) <= LONGEST and all(agree(python[f], values[f], loose) for f in values):
            return written
        return self.as_parameter(values, "size" if whole else "value")

    def simplest(self, expr: Expr, candidates: Sequence[Expr], frames: Collection[Frame]) -> Expr:
        """The first candidate with the value of the expression in all frames, else the expression."""
        values = {frame: self.value(expr, frame) for frame in frames}
        for candidate in candidates:
            if all(self.value(candidate, frame) == value for frame, value in values.items()):
                return candidate
        return expr

    def bounded(self, expr: Expr, frames: Collection[Frame]) -> Expr:
        """The expression, or its value or an extra parameter if it is too long."""
        return expr if length(expr) <= LONGEST else self.argument(expr, {}, frames)

    def outside(self, expr: Expr | None) -> Expr | None:
        """The expression over a block's parameters, for its callers; None if there is none."""
        while expr is not None and (inside := self.taken.intersection(references(expr)) - self.extra.keys()):
            known = {name: self.lets[name] for name in inside if name in self.lets}
            expr = substitute(expr, known) if len(known) == len(inside) else None
        return expr if expr is None or length(expr) <= LONGEST else None

    def value(self, expr: Expr, frame: Frame) -> Value | None:
        """The value of an expression in a frame; None if it has none."""
        return known_or_none(expr, self.environment(frame))

    def environment(self, frame: Frame) -> Environment:
        """The values of the names of generated code in a frame."""
        chain = [frame]
        while (outer := chain[-1].parent) is not None:
            chain.append(outer)
        root = chain[-1]
        known = dict(root.values)
        for name, values in self.extra.items():
            known[name] = of_frame(root, values)
        for inner in reversed(chain):
            known |= self.local.get(inner, {})
        return known

    def snapshot(self) -> Context:
        """A copy for `restore`."""
        local = {frame: dict(names) for frame, names in self.local.items()}
        return Context(
            self.instances, dict(self.extra), local, set(self.taken), dict(self.lets), self.constants
        )

    def restore(self, before: Context) -> None:
        self.extra, self.local, self.taken = before.extra, before.local, before.taken
        self.lets = before.lets


def _whole(name: str, values: Mapping[Frame, Value]) -> Expr:
    return both(Ref(name)) if isinstance(next(iter(values.values())), Size) else Ref(name)


def of_frame(frame: Frame, values: Mapping[Frame, Value]) -> Value:
    """The value for an instance; any one if the instance doesn't use it."""
    return values[frame] if frame in values else next(iter(values.values()))


def _whole_divisions(expr: Expr, environments: Iterable[Environment]) -> Expr:
    """The expression with `//` for each `/` that has a whole result in every instance."""
    if not isinstance(expr, Operator):
        return expr
    whole = expr.name == "/" and not any(map(is_inexact, expr.operands))
    if whole:
        values = [known_or_none(expr, environment) for environment in environments]
        whole = all(value is None or isinstance(value, int) for value in values)
    name = "//" if whole else expr.name
    return operator(name, *(_whole_divisions(operand, environments) for operand in expr.operands))
