"""Lowers `repeat`, with a running number of channels if it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from netdsl.ir.lowered import Carried, LoweredBody, LoweredStep, Repeat, is_chain
from netdsl.ir.typed import Frame, TypedBody, TypedRepeat
from netdsl.language.expressions import ONE, Const, Expr, Operator, Ref, operator, references, substitute
from netdsl.lower.context import Context, NotUniform, Values
from netdsl.lower.flow import Flow
from netdsl.ops.operation import Symbolic

# The same loop in each frame that reaches it.
Column: TypeAlias = Mapping[Frame, TypedRepeat]

# Limit for the iterations of a loop that is written out.
_MOST_WRITTEN_OUT = 2_000


class Loops:
    """Lowers the loops of one block or section; `body` lowers their bodies."""

    def __init__(
        self,
        context: Context,
        body: Callable[[Sequence[tuple[Frame, TypedBody]], Flow], LoweredBody],
    ) -> None:
        self._context = context
        self._body = body

    def repeat(self, column: Column, flow: Flow) -> Sequence[LoweredStep]:
        if not any(typed.runs for typed in column.values()):
            return ()
        before = self._context.snapshot()
        looped = flow.inner()
        looped.running = flow.running
        try:
            steps = self._loop(column, looped)
        except NotUniform:
            self._context.restore(before)
            return self._written_out(column, flow)
        flow.go(looped)
        return steps

    def _loop(self, column: Column, flow: Flow, *, carries: bool = False) -> Sequence[LoweredStep]:
        """The loop; with `carries` its number of channels is a variable, though it is the same each time."""
        before = self._context.snapshot()
        step = next(iter(column.values())).step
        bodies = [(body.frame, body) for typed in column.values() for body, _ in typed.runs]
        times = self._context.argument(step.times, flow.names, column)
        inner = flow.inner()
        inner.reduction = ONE
        index: str | None = None
        if step.variable is not None:
            index = self._context.free(step.variable)
            inner.names[step.variable] = Ref(index)
            for typed in column.values():
                number = 0
                for body, count in typed.runs:
                    self._context.define(index, {body.frame: number})
                    number += count
        name = self._running(column, flow, carries)
        if name:
            inner.tensor = inner.tensor._replace(size=Ref(name))
        rank = inner.tensor.is_map
        start = flow.tensor.size
        lowered = self._body(bodies, inner)
        if not is_chain(lowered) or inner.tensor.is_map != rank:
            raise NotUniform
        last = inner.tensor.size
        if not (name or carries or isinstance(flow.tensor.size, Const)) and last != flow.tensor.size:
            # Equal in every instance, but not for other values of the parameters.
            self._context.restore(before)
            return self._loop(column, flow, carries=True)
        if index is not None:
            last = substitute(last, {index: operator("-", times, ONE)})
        again = flow.running is not None and name == flow.running[0]
        carried = Carried(name, Ref(name) if again else start, inner.tensor.size) if name else None
        size = self._after(last, start, times, name, column)
        flow.tensor = Symbolic(size, rank)
        flow.running = (name, size) if name and name not in references(size) else None
        if inner.reduction != ONE:
            flow.reduction = None
        return (Repeat(times, index, carried, lowered),)

    def _after(self, last: Expr, start: Expr, times: Expr, name: str | None, column: Column) -> Expr:
        """The number of channels after a loop, whose last iteration has `last`: in closed form if one holds
        for all frames.
        """
        candidates = [last, start]
        if isinstance(last, Operator) and last.name == "+" and last.operands[0] == Ref(name or ""):
            candidates.append(operator("+", start, operator("*", times, last.operands[1])))
        sizes: Values = {frame: typed.output[0] for frame, typed in column.items()}
        for size in candidates:
            # The names of the loop have no value after it.
            if all(self._context.value(size, frame) == value for frame, value in sizes.items()):
                return size
        if name is None:
            return self._context.as_parameter(sizes, "size")
        self._context.define(name, sizes)
        return Ref(name)

    def _running(self, column: Column, flow: Flow, carries: bool) -> str | None:
        """The name of the number of channels, if it differs between iterations, or the loop `carries` it."""
        starts = [typed.runs[0][0].input[0] for typed in column.values() for _ in typed.runs]
        sizes = [body.input[0] for typed in column.values() for body, _ in typed.runs]
        if sizes == starts and not carries:
            return None
        name, size = flow.running or ("", None)
        if size != flow.tensor.size:  # else the variable of the loop before goes on
            name = self._context.free("channels" if flow.tensor.is_map else "features")
        for typed in column.values():
            self._context.define(name, {body.frame: body.input[0] for body, _ in typed.runs})
        return name

    def _written_out(self, column: Column, flow: Flow) -> Sequence[LoweredStep]:
        """The iterations one after another, if they can't have the same code."""
        times = {typed.times for typed in column.values()}
        if len(times) > 1 or max(times) > _MOST_WRITTEN_OUT:
            raise NotUniform
        step = next(iter(column.values())).step
        steps: list[LoweredStep] = []
        for number in range(times.pop()):
            inner = flow.inner()
            if step.variable is not None:
                inner.names[step.variable] = Const(number)
            bodies = [_iteration(typed, number) for typed in column.values()]
            steps += self._body([(body.frame, body) for body in bodies], inner)
            flow.go(inner)
        return steps


def _iteration(typed: TypedRepeat, number: int) -> TypedBody:
    for body, count in typed.runs:
        if number < count:
            return body
        number -= count
    raise AssertionError("the iteration is one of them")
