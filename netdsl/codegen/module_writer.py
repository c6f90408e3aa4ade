"""Bodies as attributes of an `nn.Module` and statements of its `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

from netdsl.base.tree import bodies
from netdsl.codegen import python as py
from netdsl.codegen.forward_writer import ForwardWriter
from netdsl.codegen.list_builder import constant
from netdsl.codegen.module_init import Special, may_be_none
from netdsl.codegen.names import Names, label_of, step_name
from netdsl.codegen.prune import pruned
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.template_models import torch_call
from netdsl.ir.lowered import (
    BlockCall,
    Choice,
    Layer,
    Let,
    LoweredBody,
    LoweredOutput,
    LoweredStep,
    Skip,
    place,
)
from netdsl.language.expressions import Const, Expr, Operator, Ref, references
from netdsl.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from netdsl.ops.operation import Operation, Slot
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES

X = py.Name("x")
_NORMS = (BatchNorm, GroupNorm, InstanceNorm, LayerNorm)


class ModuleWriter(ForwardWriter):
    """Writes the `__init__` and `forward` of one class, whose steps are in `bodies`.

    Steps that run one after another are one `nn.Sequential`; in the bodies that are `flat`, and where
    labels are, each is an attribute or shows as a call. `labels` are more attributes that are taken.
    """

    def __init__(
        self,
        maker: SequentialBuilder,
        bodies: Sequence[LoweredBody],
        flat: Sequence[LoweredBody] = (),
        labels: Iterable[str] = (),
    ) -> None:
        super().__init__(Names(), maker.scope, maker.setup)
        self.maker = maker
        self.special: list[Special] = []
        self._flat_bodies = flat
        self._flat_names = self._counted(flat)
        # The number of uses of each name in the body that is being written, if it is flat.
        self._names: Counter[str] | None = None
        self._labels = Counter(label for body in bodies for label in _labels(body))
        self._attributes = Names(MODULE_ATTRIBUTES.union(self._labels, labels))
        self._annotated: set[str] = set()
        # The attributes of parameters that conditions compare.
        self._compared: dict[str, str] = {}
        # The calls of single layers.
        self._layers: set[str] = set()
        # The conditions of the steps that are being written.
        self._flags: tuple[tuple[str, bool], ...] = ()

    def forward(self, value: py.Expression) -> tuple[py.Statement, ...]:
        """The statements of `forward`, which returns `value`."""
        # To mypy the results of modules have no type, unless they are assigned to `x` or annotated.
        match value:
            case py.Operation("if", (_, yes, py.Name(own))) if own != X.text and _is_tensor(yes, own):
                if not self._annotate(own):
                    value = self.assign("x", value)
            case _ if not _is_tensor(value):
                value = self.assign("x", value)
        return pruned((*self.body, py.Return(value)))

    def named_forward(self, outputs: Sequence[LoweredOutput]) -> tuple[py.Statement, ...]:
        """The statements of `forward` of a network whose file names its outputs."""
        evaluated = [output for output in outputs if not output.in_training_only]
        if isinstance(alone := self.outputs(evaluated), py.Name):
            place = next(
                number
                for number, own in enumerate(self.body)
                if isinstance(own, py.Assign) and own.target == alone.text
            )
            self.body[place] = self.body[place]._replace(annotation="Tensor")  # type: ignore[call-arg]
        return pruned((*self.body, py.Return(self.outputs(outputs))))

    def _annotate(self, variable: str) -> bool:
        """Annotates a variable as a tensor, if a single statement assigns to it."""
        found = [own for own in self.body if isinstance(own, py.Assign) and own.target == variable]
        if len(found) != 1 or any(isinstance(own, (py.If, py.For)) for own in self.body):
            return False
        self.body[self.body.index(found[0])] = found[0]._replace(annotation="Tensor")
        return True

    # attributes

    def attribute(self, name: str, value: py.Expression, *, exact: bool = False) -> str:
        """Adds an attribute and returns its name: `name`, unless `exact` with a number if that is taken."""
        name = name if exact else self._attributes.numbered(name)
        self.maker.setup.append(py.Assign(f"self.{name}", value))
        return name

    def _own(self, step: LoweredStep, name: str) -> str:
        """Adds the attribute of a single step, named by its label or `name`."""
        label = label_of(step)
        name = label or self._attributes.numbered(name)
        several = label is not None and self._labels[label] > 1
        if isinstance(step, Choice) and not self.maker.held:
            annotations = chain([self._annotation(name)], repeat(""))
            cases = {
                symbol: (py.Assign(f"self.{name}", self.maker.chain(body, name), annotation=annotation),)
                for (symbol, body), annotation in zip(step.cases, annotations, strict=False)
            }
            self.maker.setup.append(self.maker.choice(step, cases))
            return name
        annotation = self._annotation(name) if several else ""
        made = self.maker.chain((step,), name)
        self.maker.setup.append(py.Assign(f"self.{name}", made, annotation=annotation))
        if isinstance(step, Layer):
            typed = not several and not (isinstance(made, py.Call) and made.function == "freeze")
            for weight, rule in self.maker.initialisation.own_rules(step):
                self.special.append(
                    Special(name, weight, rule, typed, may_be_none(step, weight), self._flags)
                )
        return name

    def _annotation(self, name: str) -> str:
        """The annotation of an attribute that holds different modules, at its first assignment, for mypy."""
        first = name not in self._annotated
        self._annotated.add(name)
        return "nn.Module" if first else ""

    # chains

    def joins(self, step: LoweredStep) -> bool:
        # A label or a rule makes no join of a single step.
        return not isinstance(step, (Layer, BlockCall, Choice)) and not self.maker.is_plain((step,))

    def steps(self, body: LoweredBody, value: py.Expression, target: str, name: str = "") -> py.Expression:
        outside = self._names
        if any(flat is body for flat in self._flat_bodies):
            self._names = self._flat_names
        else:
            self._names = self._counted([body]) if any(map(label_of, body)) else None
        made = super().steps(body, value, target, name)
        self._names = outside
        return made

    def chain(
        self, steps: LoweredBody, body: LoweredBody, value: py.Expression, target: str, name: str
    ) -> py.Expression:
        counted = self._names
        if counted is not None:
            for step in steps:
                own = step_name(step)
                value = self._flat(step, f"{own}1" if counted[own] > 1 else own, value, target)
            return value
        runs = list(self._runs(steps))
        alone = len(steps) == len(body) and sum(not self.maker.is_special(run[0]) for run in runs) == 1
        for run in runs:
            if self.maker.is_special(run[0]):
                own = "last_norm" if isinstance(run[0], Layer) and run[0].last_norm else step_name(run[0])
                value = self._around(run[0], own, value, target)
            elif not any(map(_needs_attribute, run)):
                for step in run:
                    value = self._flat(step, "", value, target)
            else:
                own = step_name(run[0]) if len(run) == 1 else "body" if alone else "layers"
                own = name if name and alone else own
                attribute = self.attribute(own, self.maker.chain(run, own))
                value = py.Call(f"self.{attribute}", (self.bound(value, target),), span=place(run))
        return value

    def _counted(self, bodies: Sequence[LoweredBody]) -> Counter[str]:
        """The number of uses of each name, if each step of the bodies is an attribute."""
        single = (step for body in bodies for step in body if not self.joins(step))
        return Counter(step_name(step) for step in single if _needs_attribute(step))

    def _runs(self, steps: LoweredBody) -> Iterator[LoweredBody]:
        """The steps that are one module together."""
        run: list[LoweredStep] = []
        for step in steps:
            if self.maker.is_special(step):
                yield from (tuple(run), (step,)) if run else ((step,),)
                run = []
            else:
                run.append(step)
        if run:
            yield tuple(run)

    def _flat(self, step: LoweredStep, name: str, value: py.Expression, target: str) -> py.Expression:
        """The result of a single step for `value`: a call of its attribute, or of a function."""
        if isinstance(step, Let):
            self.maker.setup.append(constant(self.scope, step))
            return value
        if _needs_attribute(step):
            attribute = self._own(step, name)
            if isinstance(step, Layer):
                self._layers.add(f"self.{attribute}")
                return self.around(
                    step.operation,
                    value,
                    target,
                    lambda x: py.Call(f"self.{attribute}", (x,), span=step.span),
                )
            return py.Call(f"self.{attribute}", (self.bound(value, target),), span=place((step,)))
        assert isinstance(step, Layer)
        function = step.function
        if function is None:
            return value
        return self.around(
            step.operation,
            value,
            target,
            lambda x: torch_call(function, self.scope, {"x": x}, step.span),
        )

    def layer(self, layer: Layer, value: py.Expression, target: str) -> py.Expression:
        return self._around(layer, step_name(layer), value, target)

    def _around(self, step: LoweredStep, name: str, value: py.Expression, target: str) -> py.Expression:
        """The call of a step's own attribute around the call before it."""
        value = value if self.inlines(value) else self.bound(value, target)
        return py.Call(f"self.{self._own(step, name)}", (value,), span=place((step,)))

    def around(
        self,
        operation: type[Operation],
        value: py.Expression,
        target: str,
        make: Callable[[py.Expression], py.Expression],
    ) -> py.Expression:
        """A norm goes around the layer before it, and an activation around both."""
        layers = self._nested_layers(value)
        if (layers == 1 and issubclass(operation, _NORMS)) or (layers == 2 and operation.is_activation):
            return make(value)
        return super().around(operation, value, target, make)

    def _nested_layers(self, value: py.Expression) -> int:
        """The number of nested layer calls around a variable; 0 for any other expression."""
        count = 0
        while isinstance(value, py.Call) and value.function in self._layers:
            value, count = value.positional[0], count + 1
        return count if isinstance(value, py.Name) else 0

    def shared(self, call: BlockCall, values: Sequence[py.Name]) -> Iterator[py.Expression]:
        attribute = self._own(call, step_name(call))
        return (py.Call(f"self.{attribute}", (value,), span=call.span) for value in values)

    # cases

    def condition(self, expr: Expr, name: str) -> py.Expression:
        match expr:
            case Operator("==" | "!=", (Ref(own), Const() as constant)):
                argument = self.scope(Ref(own))
                if own not in self._compared:
                    self._compared[own] = self.attribute(py.show(argument), argument)
                compared = py.Name(f"self.{self._compared[own]}")
                return py.Operation(expr.name, (compared, self.scope(constant)))
        own = expr.name if isinstance(expr, Ref) else name
        return py.Name(f"self.{self.attribute(own, self.scope(expr))}")

    def case(
        self, body: LoweredBody, source: py.Name, target: str, when: Sequence[tuple[py.Expression, bool]]
    ) -> list[tuple[py.Statement, ...]]:
        flags = self._flags
        self._flags += tuple((py.show(flag).removeprefix("self."), holds) for flag, holds in when)
        written = super().case(body, source, target, when)
        self._flags = flags
        return written

    def shortcut(
        self, skip: Skip, body: LoweredBody, source: py.Name, made: py.Expression, inner: str, target: str
    ) -> py.Expression:
        """A shortcut that can be one module is one, and the identity where the body keeps the shape."""
        label = label_of(body[0]) if len(body) == 1 else None
        if not self.maker.is_plain(body) and (label is None or self.maker.has_rules(body[0])):
            return super().shortcut(skip, body, source, made, inner, target)
        name = label or self._attributes.numbered("shortcut")
        identity = py.Assign(f"self.{name}", py.Call("nn.Identity"), annotation=self._annotation(name))
        _, projection = self.inside(
            lambda: self.maker.setup.append(py.Assign(f"self.{name}", self.maker.chain(body, name)))
        )
        self.maker.setup.append(py.If(self.scope(skip.same), (identity,), projection))
        projected = py.Call(f"self.{name}", (source,), span=place(body))
        return py.Operation("+", (made, projected), skip.span)

    def inlines(self, value: py.Expression) -> bool:
        """A call on a variable, also of a module on what a module makes."""
        while isinstance(value, py.Call) and value.function.startswith("self."):
            value = value.positional[0]
        return py.is_simple(value)


def _is_tensor(value: py.Expression, variable: str = "") -> bool:
    """True if mypy knows that a value is a tensor, as it knows of `x` and the `variable`."""
    match value:
        case py.Call(function):
            return not function.startswith("self.")
        case py.Operation("+" | "*", operands):
            return all(_is_tensor(operand, variable) for operand in operands)
        case _:
            return value in (X, py.Name(variable))


def _labels(body: LoweredBody) -> Iterator[str]:
    """The labels in a body at any depth; that of a choice once."""
    for step in body:
        if label := label_of(step):
            yield label
        if not isinstance(step, Choice):
            for inside in bodies(step):
                yield from _labels(inside)


def _needs_attribute(step: LoweredStep) -> bool:
    """True if a step needs a module: it has a label or weights, differs in training, is no function of torch,
    or has arguments that only `__init__` knows.
    """
    if not isinstance(step, Layer):
        return not isinstance(step, Let)
    call = step.function
    if call is None or step.label or step.weights:
        return bool(step.label or step.weights)
    arguments = [*call.positional, *(value for _, value in call.named)]
    slots = {argument.name for argument in arguments if isinstance(argument, Slot)}
    known = (any(references(argument)) for argument in arguments if not isinstance(argument, Slot))
    return "." not in call.target or slots != {"x"} or any(known)
