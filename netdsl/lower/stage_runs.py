"""Lowers stages to runs: copies that are equal, or differ by their index only, are one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import cast

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Number, Value, is_number
from netdsl.ir.lowered import LoweredBlock, Run
from netdsl.ir.typed import TypedStage
from netdsl.language.expressions import Const, Expr, Operator, Ref, known_or_none, operator, substitute
from netdsl.lower.lower_body import block_call
from netdsl.lower.parameter_types import paired
from netdsl.lower.python_arithmetic import agree, in_python

INDEX = "i"

# Fewer copies that differ are separate calls.
_FEWEST = 3


class Copy(NamedTuple):
    """`times` equal copies of a block, with the `values` of its parameters and the `size` of its input."""

    block: LoweredBlock
    size: int
    values: Mapping[str, Value]
    times: int


def runs_of(stage: TypedStage, copies: Sequence[Copy]) -> tuple[Run, ...]:
    """The calls of a stage, in order."""
    runs: list[Run] = []
    start = number = 0
    while start < len(copies):
        length, run = _longest(stage, copies[start:], number)
        runs.append(run)
        number += sum(copy.times for copy in copies[start : start + length])
        start += length
    return tuple(runs)


def _longest(stage: TypedStage, copies: Sequence[Copy], number: int) -> tuple[int, Run]:
    """The length of the first run, and the run; `number` is the index of the first copy in the stage."""
    single = [copy for copy in copies if copy.block is copies[0].block and copy.times == 1]
    alike = next((i for i, (a, b) in enumerate(zip(copies, single, strict=False)) if a is not b), len(single))
    series = _series(stage, copies[: min(alike, len(single))], number)
    if series is not None:
        return series
    first = copies[0]
    written = dict(stage.stage.rest if number else stage.stage.first)
    values = {name: _single(written.get(name), value, stage, number) for name, value in first.values.items()}
    call = _call(stage, first, Const(first.size), values)
    return 1, call._replace(copies=first.times)


def _call(stage: TypedStage, copy: Copy, size: Expr, values: Mapping[str, Expr]) -> Run:
    given = {p.name: paired(values[p.name], p) for p in copy.block.parameters}
    return Run(block_call(copy.block, size, given, None, stage.stage.span), 1)


def _single(written: Expr | None, value: Value, stage: TypedStage, number: int) -> Expr:
    """A value; a fraction as the formula of the stage, which says more than its digits: `0.2 * 1 / 16`."""
    if isinstance(value, Fraction) and written is not None:
        index = {"index": Const(number), "block_index": Const(stage.stage.before + number)}
        formula = _unfolded(substitute(written, {"block_count": Const(stage.blocks)}), index)
        if agree(in_python(formula, {}), value):
            return formula
    return Const(value)


def _unfolded(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """The expression with names replaced, and not simplified."""
    if isinstance(expr, Operator):
        return Operator(expr.name, tuple(_unfolded(operand, values) for operand in expr.operands))
    return values.get(expr.name, expr) if isinstance(expr, Ref) else expr


def _series(stage: TypedStage, copies: Sequence[Copy], number: int) -> tuple[int, Run] | None:
    """The longest run from the first copy whose sizes and arguments are expressions of the index."""
    if len(copies) < _FEWEST:
        return None
    written = dict(stage.stage.rest)
    sizes = _Series.of(None, [copy.size for copy in copies], stage, number)
    written = {name: substitute(expr, {"in": sizes.expr}) for name, expr in written.items()}
    values = {
        name: _Series.of(written.get(name), [copy.values[name] for copy in copies], stage, number)
        for name in (parameter.name for parameter in copies[0].block.parameters)
    }
    length = min([sizes.length, *(series.length for series in values.values())])
    if length < _FEWEST:
        return None
    run = _call(stage, copies[0], sizes.expr, {name: series.expr for name, series in values.items()})
    return length, run._replace(copies=length, variable=INDEX)


class _Series(NamedTuple):
    """An expression of the index, and the number of copies that it holds for."""

    expr: Expr
    length: int

    @classmethod
    def of(cls, written: Expr | None, values: Sequence[Value], stage: TypedStage, number: int) -> _Series:
        """The longest series: a constant, the expression of the stage, or an arithmetic progression."""
        candidates: list[Expr] = [Const(values[0])]
        if written is not None:
            shift = {
                name: operator("+", Ref(INDEX), Const(offset))
                for name, offset in (("index", number), ("block_index", stage.stage.before + number))
            }
            candidates.insert(0, substitute(written, {**shift, "block_count": Const(stage.blocks)}))
        if len(values) > 1 and is_number(values[0]) and is_number(values[1]):
            first, second = cast(Number, values[0]), cast(Number, values[1])
            step = operator("*", Const(second - first), Ref(INDEX))
            candidates.append(operator("+", Const(first), step))
        return max((cls(expr, _length(expr, values)) for expr in candidates), key=lambda found: found.length)


def _length(expr: Expr, values: Sequence[Value]) -> int:
    """The number of values, from the first, that Python computes exactly."""
    loose = any(isinstance(value, Fraction) for value in values)
    for index, value in enumerate(values):
        environment = {INDEX: index}
        exact = known_or_none(expr, environment)
        same = exact == value and isinstance(exact, bool) == isinstance(value, bool)
        if not same or not agree(in_python(expr, environment), value, loose):
            return index
    return len(values)
