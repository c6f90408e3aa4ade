"""Writes the statements of a forward pass through a body, the same for every style.

The value that was computed last is an expression that is not assigned yet, so that the next step can be
written around it, or return it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from netdsl.base.source import Span
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.names import Names
from netdsl.ir.lowered import (
    BlockCall,
    Branches,
    Each,
    From,
    Layer,
    Let,
    LoweredBody,
    LoweredNetwork,
    LoweredOutput,
    LoweredStep,
    Save,
    Skip,
    When,
)
from netdsl.language.expressions import NO, YES, Expr
from netdsl.ops.operation import Operation

# Writes a branch: its result, for its input and a variable for intermediate results.
Written = Callable[[py.Expression, str], py.Expression]


class ForwardWriter(ABC):
    """Writes the statements of one forward pass into `body`, and into the lists `beside`, with the same
    conditions and loops, those that make what it uses: a constructor, or lists of tensors.
    """

    def __init__(self, names: Names, scope: Scope, *beside: list[py.Statement]) -> None:
        self.names = names
        self.scope = scope
        self.body: list[py.Statement] = []
        self.beside = beside
        self._saved: dict[str, str] = {}

    def steps(self, body: LoweredBody, value: py.Expression, target: str, name: str = "") -> py.Expression:
        """The result of the steps for `value`; intermediate results are assigned to the variable `target`.

        `name` is the name of the body if it is an attribute.
        """
        chain: list[LoweredStep] = []
        for step in body:
            if not self.joins(step):
                chain.append(step)
                continue
            value = self.chain(tuple(chain), body, value, target, name)
            chain.clear()
            value = self._join(step, value, target)
        return self.chain(tuple(chain), body, value, target, name)

    @abstractmethod
    def joins(self, step: LoweredStep) -> bool:
        """True if a step has statements of its own: a join, a condition, a saved tensor."""

    @abstractmethod
    def chain(
        self, steps: LoweredBody, body: LoweredBody, value: py.Expression, target: str, name: str
    ) -> py.Expression:
        """The result of successive steps of a body for `value`."""

    @abstractmethod
    def layer(self, layer: Layer, value: py.Expression, target: str) -> py.Expression:
        """The result of a layer for `value`."""

    @abstractmethod
    def shared(self, call: BlockCall, values: Sequence[py.Name]) -> Iterator[py.Expression]:
        """The results of a block for several values, with the same weights."""

    @abstractmethod
    def condition(self, expr: Expr, name: str) -> py.Expression:
        """A condition of the block in the forward pass; `name` is a name for it, if it needs one."""

    @abstractmethod
    def inlines(self, value: py.Expression) -> bool:
        """True if a branch is written in the expression of the join, without a variable."""

    # the network

    def leave_in_evaluation(self, network: LoweredNetwork, training: str) -> None:
        """Returns the outputs of evaluation, after the parts that it needs; `training` is a condition."""
        value = self.outputs([output for output in network.outputs if not output.in_training_only])
        self.body.append(py.If(py.negated(py.Name(training)), (py.Return(value),)))

    def outputs(self, named: Sequence[LoweredOutput]) -> py.Expression:
        """The outputs, each in its variable: one, or a tuple."""
        values = tuple(py.Name(self._saved[output.saved]) for output in named)
        return values[0] if len(values) == 1 else py.Sequence("", values)

    # variables

    def assign(self, target: str, value: py.Expression) -> py.Name:
        if value != py.Name(target):
            self.body.append(py.Assign(target, value))
        return py.Name(target)

    def bound(self, value: py.Expression, target: str) -> py.Name:
        """The value in a variable: its own, or `target`."""
        return value if isinstance(value, py.Name) else self.assign(target, value)

    def around(
        self,
        operation: type[Operation],
        value: py.Expression,
        target: str,
        make: Callable[[py.Expression], py.Expression],
    ) -> py.Expression:
        """Writes an activation around the call before it; other operations take a variable."""
        wraps = operation.is_activation and py.takes_activation(value)
        return make(value if wraps else self.bound(value, target))

    # joins

    def _join(self, step: LoweredStep, value: py.Expression, target: str) -> py.Expression:
        match step:
            case Skip():
                return self._skip(step, self.bound(value, target), target)
            case Branches(join, branches):
                source = self.bound(value, target)
                writers = [self._part(*named) for named in zip(branches, branch_names(step), strict=True)]
                return self._joined(join, writers, source, target, step.span)
            case When(cases, otherwise):
                bodies = [*(body for _, body in cases), otherwise]
                return self.choose([condition for condition, _ in cases], bodies, value, target)
            case Save(name):
                self._saved[name] = self.names.free(name)
                return self.assign(self._saved[name], value)
            case From(name):
                self.bound(value, target)  # for its effects, and for what it takes from the lists
                return py.Name(self._saved[name])
            case Each(names, (BlockCall() as call,)):
                self.bound(value, target)  # as before
                variables = [py.Name(self._saved[name]) for name in names]
                for variable, made in zip(variables, self.shared(call, variables), strict=True):
                    self.assign(variable.text, made)
                return variables[-1]
        raise AssertionError(step)

    def _part(self, body: LoweredBody, name: str) -> Written | None:
        """A function that writes a branch; None for the input itself."""
        return None if is_nothing(body) else lambda x, y: self.steps(body, x, y, name)

    def choose(
        self,
        conditions: Sequence[Expr],
        bodies: Sequence[LoweredBody],
        value: py.Expression,
        target: str,
        name: str = "condition",
        last: Expr | None = None,
    ) -> py.Name:
        """`if`, `elif`, …, `else`: the first body whose condition is true, else the last. The result is in
        `target`; `name` is a name for conditions.

        If the condition of the `last` body is given, its statements in `beside` are conditional, too.
        """
        flags = [self.condition(condition, name) for condition in conditions]
        source = self.bound(value, target)
        if any(map(is_nothing, bodies)):
            source = self.assign(target, source)
        known = [(flag, False) for flag in flags]
        whens = [*([*known[:n], (flag, True)] for n, flag in enumerate(flags)), known]
        cases = [self.case(body, source, target, when) for body, when in zip(bodies, whens, strict=True)]
        (*inside, otherwise), *beside = zip(*cases, strict=True)
        self.body.append(py.either(zip(flags, inside, strict=True), otherwise))
        known_beside = [self.scope(condition) for condition in (*conditions, *([last] if last else []))]
        for own, statements in zip(self.beside, beside, strict=True):
            if last is None:
                *others, otherwise = statements
                own.append(py.either(zip(known_beside, others, strict=True), otherwise))
            elif some := [case for case in zip(known_beside, statements, strict=True) if case[1]]:
                own.append(py.either(some, ()))
        return py.Name(target)

    def case(
        self, body: LoweredBody, source: py.Name, target: str, when: Sequence[tuple[py.Expression, bool]]
    ) -> list[tuple[py.Statement, ...]]:
        """The statements of a body, and those beside it; `when` has the values of the conditions for it."""
        return self.inside(lambda: self.assign(target, self.steps(body, source, target)))

    def inside(self, write: Callable[[], object]) -> list[tuple[py.Statement, ...]]:
        """The statements that `write` writes, and those beside it, for a loop or a condition."""
        outside, self.body = self.body, []
        starts = list(map(len, self.beside))
        write()
        inside, self.body = [tuple(self.body)], outside
        for own, start in zip(self.beside, starts, strict=True):
            inside.append(tuple(own[start:]))
            del own[start:]
        return inside

    def shortcut(
        self, skip: Skip, body: LoweredBody, source: py.Name, made: py.Expression, inner: str, target: str
    ) -> py.Expression:
        """The result `made` of a skip's body + the shortcut of `source`, or + `source` if the shape is the
        same. `inner` is a variable for the first, `target` for the sum.
        """
        own = self.assign(inner, made)
        projected = source
        if source.text != target:
            projected = self.assign(self.names.numbered("shortcut"), source)
        self.choose([skip.same], [(), body], projected, projected.text, "same")
        if source.text != target:
            self.names.release(projected.text)
        return py.Operation("+", (own, projected), skip.span)

    def _skip(self, skip: Skip, source: py.Name, target: str) -> py.Expression:
        drop_path = skip.drop_path

        def body(x: py.Expression, y: str) -> py.Expression:
            made = self.steps(skip.body, x, y, "body")
            return made if drop_path is None else self.layer(drop_path, made, y)

        if skip.same == YES:
            plain = is_nothing(skip.body) and drop_path is None
            return self._joined("add", [None if plain else body, None], source, target, skip.span)
        if skip.same == NO and skip.shortcut is not None:
            branches = [body, self._part(skip.shortcut, "shortcut")]
            return self._joined("add", branches, source, target, skip.span)
        if skip.same == NO:
            return self.steps(skip.body, source, target, "body")
        with self._variable(source, target) as inner:
            if skip.shortcut is not None:
                return self.shortcut(skip, skip.shortcut, source, body(source, inner), inner, target)
            made = self.assign(inner, self.steps(skip.body, source, inner, "body"))
            kept = made if drop_path is None else self.layer(drop_path, made, inner)
            added = py.Operation("+", (source, kept), skip.span)
            return py.Operation("if", (self.condition(skip.same, "use_residual"), added, made))

    def _joined(
        self, join: str, branches: Sequence[Written | None], source: py.Name, target: str, span: Span
    ) -> py.Expression:
        """The join of the results of branches for `source`; `span` is the step."""
        count = sum(branch is not None for branch in branches)
        own = count == 1 and source.text != target
        variables = [target] if own else self.names.series("y", count)
        unused = iter(variables)
        written = [
            (source.text, (), source) if branch is None else self._written(branch, source, next(unused))
            for branch in branches
        ]
        inline = all(self.inlines(value) for _, _, value in written)
        # Statements of one branch come before what another computes in the join itself.
        inline = inline and (count == 1 or not any(inside for _, inside, _ in written))
        values: list[py.Expression] = []
        for variable, inside, value in written:
            self.body += inside
            values.append(value if inline else self.bound(value, variable))
        if not own:
            self.names.release(*variables)
        return joined(join, values, span)

    def _written(
        self, branch: Written, source: py.Name, variable: str
    ) -> tuple[str, tuple[py.Statement, ...], py.Expression]:
        """A branch's variable, its statements, and its result."""
        outside, self.body = self.body, []
        value = branch(source, variable)
        inside, self.body = self.body, outside
        return variable, tuple(inside), value

    @contextmanager
    def _variable(self, source: py.Name, target: str) -> Iterator[str]:
        """A variable for intermediate results while `source` is still needed."""
        if source.text != target:
            yield target
            return
        name = self.names.numbered("y")
        yield name
        self.names.release(name)


def joined(join: str, values: Sequence[py.Expression], span: Span) -> py.Expression:
    if join == "concat":
        return py.Call("torch.cat", (py.Sequence("[]", tuple(values)), py.Literal(1)), span=span)
    return py.Operation("+" if join == "add" else "*", tuple(values), span) if len(values) > 1 else values[0]


def is_nothing(body: LoweredBody) -> bool:
    """True if a body returns its input."""
    return all(
        (isinstance(step, Layer) and step.function is None and step.label is None) or isinstance(step, Let)
        for step in body
    )


def branch_names(step: Branches) -> Iterator[str]:
    """The names of branches as attributes of a class."""
    made = [body for body in step.branches if not is_nothing(body)]
    alone = "gate" if step.join == "mul" else "branch"
    for number in range(1, len(step.branches) + 1):
        yield alone if len(made) == 1 else f"branch{number}"
