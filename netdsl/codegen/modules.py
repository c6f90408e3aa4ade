"""Bodies as attributes of an `nn.Module` and statements of its `forward`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netdsl.codegen import python as py
from netdsl.codegen.names import Names, Translator, enumerated
from netdsl.codegen.views import (
    ClassView,
    ParameterView,
    block_documentation,
    block_names,
    call_arguments,
    is_chain,
    parameter_views,
    size_name,
    torch_call,
)
from netdsl.expressions import YES, Expr, references
from netdsl.lowered import BlockCall, Layer, LoweredBlock, LoweredBody, LoweredStage, LoweredStep, Skip
from netdsl.ops.base import Operation, Slot, TorchCall
from netdsl.torch_names import MODULE_ATTRIBUTES

X = py.Name("x")


@dataclass(slots=True)
class ModuleWriter:
    """Writes the `__init__` and `forward` of one class.

    `constructors` are the names by which blocks are made. A class whose steps are written `flat` has an
    attribute a layer and shows each call; otherwise a run of layers is one `nn.Sequential`.
    """

    constructors: dict[str, str]
    translate: Callable[[Expr], py.Expression]
    setup: list[py.Statement] = field(default_factory=list)
    forward: list[py.Statement] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names(MODULE_ATTRIBUTES))

    # modules as expressions

    def module(self, step: LoweredStep) -> py.Expression:
        """A layer or block as the expression that makes it."""
        if isinstance(step, Layer):
            return torch_call(step.module, self.translate, {})
        assert isinstance(step, BlockCall)
        names = block_names(step.block, names_of(self.constructors))
        positional, named = call_arguments(step, names, self.translate, lambda name: True)
        size = (self.translate(step.size),) if uses_size(step.block) else ()
        return py.Call(self.constructors[step.block.name], (*size, *positional), named)

    def chain(self, body: LoweredBody) -> py.Expression:
        """A run of layers as one module."""
        if len(body) == 1:
            return self.module(body[0])
        return py.Call("nn.Sequential", tuple(map(self.module, body)))

    def stage(self, stage: LoweredStage) -> py.Expression:
        copies = [(self.module(call), count) for call, count in stage.runs]
        if len(copies) == 1 and copies[0][1] == 1:
            return copies[0][0]
        items = (made if count == 1 else py.Copies(made, count) for made, count in copies)
        return py.Call("nn.Sequential", tuple(items))

    # statements

    def attribute(self, name: str, value: py.Expression, annotation: str = "") -> str:
        """Adds an attribute, and says what it is called."""
        name = self.names.numbered(name)
        self.setup.append(py.Assign(f"self.{name}", value, annotation=annotation))
        return name

    def steps(self, body: LoweredBody, *, flat: bool = False) -> None:
        """Adds the steps: attributes to `__init__`, calls to `forward`."""
        labels = iter(step_names(body)) if flat else None
        for run in _runs(body):
            if isinstance(run, Skip):
                if labels:
                    next(labels)
                self._skip(run)
            elif labels or not any(_needs_attribute(step) for step in run):
                for step in run:
                    self._flat(step, next(labels) if labels else step_name(step))
            else:
                name = step_name(run[0]) if len(run) == 1 else "body" if len(run) == len(body) else "layers"
                self._run(self.attribute(name, self.chain(run)))

    def _run(self, attribute: str) -> None:
        self.forward.append(py.Assign("x", py.Call(f"self.{attribute}", (X,))))

    def _flat(self, step: LoweredStep, name: str) -> None:
        if isinstance(step, Layer) and not _needs_attribute(step):
            if step.function:
                self._apply(step.operation, step.function)
        else:
            self._run(self.attribute(name, self.module(step)))

    def _apply(self, operation: type[Operation], call: TorchCall) -> None:
        """An activation goes around the call before it; all else is a statement of its own."""
        last = self.forward[-1] if self.forward else None
        x: py.Expression = X
        if operation.is_activation and py.takes_activation(last, "x"):
            x = last.value
            self.forward.pop()
        slots = {"x": x, "training": py.Name("self.training")}
        self.forward.append(py.Assign("x", torch_call(call, self.translate, slots)))

    def _skip(self, skip: Skip) -> None:
        body: py.Expression
        x: py.Expression = X
        if not skip.body:
            body = X
        elif is_chain(skip.body):
            body = py.Call(f"self.{self.attribute('body', self.chain(skip.body))}", (X,))
        else:
            kept = self.names.numbered("shortcut_input")
            self.forward.append(py.Assign(kept, X))
            self.steps(skip.body)
            body, x = X, py.Name(kept)
        if skip.same == YES:
            added: py.Expression = py.Operation("+", (body, x))
        elif skip.shortcut is None:
            self._optional(skip, body, x)
            return
        else:
            added = py.Operation("+", (body, py.Call(f"self.{self._shortcut(skip)}", (x,))))
        self.forward.append(py.Assign("x", added))

    def _optional(self, skip: Skip, body: py.Expression, x: py.Expression) -> None:
        """`skip if same`: whether it adds is known when the module is made."""
        flag = self.attribute("adds", self.translate(skip.same))
        added = py.Operation("+", (body, x))
        self.forward.append(py.Assign("x", py.Operation("if", (py.Name(f"self.{flag}"), added, body))))

    def _shortcut(self, skip: Skip) -> str:
        assert skip.shortcut is not None
        name = self.names.numbered("shortcut")
        identity = py.Assign(f"self.{name}", py.Call("nn.Identity"), annotation="nn.Module")
        projection = py.Assign(f"self.{name}", self.chain(skip.shortcut))
        self.setup.append(py.If(self.translate(skip.same), (identity,), (projection,)))
        return name


def block_class(block: LoweredBlock, constructors: dict[str, str]) -> ClassView:
    """The class of a block."""
    names = block_names(block, names_of(constructors))
    translate = Translator(names, size_name(block))
    writer = ModuleWriter(constructors, translate)
    writer.steps(block.body)
    own = parameter_views(block, names, lambda name: True)
    size = [ParameterView(size_name(block), "int")] if uses_size(block) else []
    returned = py.Return(X)
    return ClassView(
        constructors[block.name],
        block_documentation(block, Translator(names, size_name(block))),
        (*size, *own),
        tuple(writer.setup),
        (*writer.forward, returned),
    )


def names_of(constructors: Mapping[str, str]) -> dict[str, tuple[str]]:
    """What stands for each block: its class or function."""
    return {block: (name,) for block, name in constructors.items()}


def uses_size(block: LoweredBlock, known: dict[str, bool] | None = None) -> bool:
    """Whether the block's constructor needs to know how many channels come in; `known` are the answers
    for other blocks.
    """
    known = {} if known is None else known
    if block.name not in known:
        translate = Translator({p.name: p.name for p in block.parameters}, "in")
        _visit(block.body, translate, known)
        known[block.name] = "in" in translate.used
    return known[block.name]


def _visit(body: LoweredBody, translate: Translator, known: dict[str, bool]) -> None:
    """Translates every expression of the constructors in a body."""
    for step in body:
        if isinstance(step, Layer):
            for argument in step.module.positional:
                if not isinstance(argument, Slot):
                    translate(argument)
            for _, value in step.module.named:
                translate(value)
        elif isinstance(step, BlockCall):
            for _, value in step.arguments:
                translate(value)
            if uses_size(step.block, known):
                translate(step.size)
        else:
            translate(step.same)
            _visit(step.body, translate, known)
            _visit(step.shortcut or (), translate, known)


def _runs(body: LoweredBody) -> list[Skip | tuple[LoweredStep, ...]]:
    """The body as skip connections and the runs of steps between them."""
    runs: list[Skip | tuple[LoweredStep, ...]] = []
    current: list[LoweredStep] = []
    for step in body:
        if isinstance(step, Skip):
            if current:
                runs.append(tuple(current))
            runs.append(step)
            current = []
        else:
            current.append(step)
    return [*runs, tuple(current)] if current else runs


def _needs_attribute(step: LoweredStep) -> bool:
    """Whether a step has something to keep from `__init__`: weights, or an argument that only it knows; what
    is random is a module too, which needs no generator.
    """
    if not isinstance(step, Layer):
        return True
    call = step.function
    arguments = [] if call is None else [*call.positional, *(value for _, value in call.named)]
    return (
        bool(step.weights)
        or Slot("generator") in arguments
        or any(any(references(argument)) for argument in arguments if not isinstance(argument, Slot))
    )


def step_name(step: LoweredStep) -> str:
    """What a step is called: by its label, else by its kind."""
    if isinstance(step, Skip):
        return "skip"
    own = step.block.name if isinstance(step, BlockCall) else step.operation.attribute or step.operation.name
    name = step.label or own
    return f"{name}_" if name in MODULE_ATTRIBUTES else name


def step_names(body: LoweredBody) -> list[str]:
    """A name for each step, numbered where a kind stands more than once."""
    return list(enumerated(map(step_name, body)))
