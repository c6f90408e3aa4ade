"""The functions of blocks in the functional style: forward passes, and lists of the tensors that they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.values import Symbol
from netdsl.codegen import python as py
from netdsl.codegen.forward_writer import ForwardWriter
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.functional_init import FunctionalInit
from netdsl.codegen.list_builder import added, constant, gathered, loop
from netdsl.codegen.names import step_name
from netdsl.codegen.prune import pruned
from netdsl.codegen.signatures import Signature, call_of
from netdsl.codegen.template_models import torch_call
from netdsl.ir import lowered as ir
from netdsl.language.expressions import NO, YES, Const, Expr, Ref, operator
from netdsl.ops.operation import Kind, Weight

# The stacks of a forward pass: parameters, and buffers.
STACKS: Mapping[Kind, str] = {"parameters": "p", "buffers": "b"}
# The largest number of tensors that one statement takes for several layers.
_MOST_TAKEN = 4


class BlockFunctions(NamedTuple):
    """A block's functions; `lists` make its parameters and buffers, if it has any."""

    forward: Signature
    lists: Mapping[Kind, Signature]

    @property
    def names(self) -> set[str]:
        return {own.name for own in (self.forward, *self.lists.values())}


class _Taken(NamedTuple):
    """The statement of a body that took the last tensors from a stack, and their names."""

    body: list[py.Statement]
    position: int
    names: tuple[str, ...]


class FunctionalForward(ForwardWriter):
    """Writes the statements of a forward pass through `bodies` in calls of functions, and beside them those
    that add its parameters and buffers to the lists called `names`.

    Tensors are taken from their stacks in statements of their own, before the calls that use them; with
    `unpack` the names of all are in `unpacked`.
    """

    def __init__(
        self,
        blocks: Mapping[str, BlockFunctions],
        scope: Scope,
        bodies: Iterable[ir.LoweredBody],
        inits: FunctionalInit,
        names: Mapping[Kind, str],
        *,
        unpack: bool = False,
    ) -> None:
        super().__init__(scope.free, scope, [], [])
        self._blocks = blocks
        self._inits = inits
        self._lists = {kind: (names[kind], own) for kind, own in zip(STACKS, self.beside, strict=True)}
        self._kinds = Counter(step_name(own) for body in bodies for own in ir.layers(body) if own.weights)
        self._seen = Counter[str]()
        self._taken: dict[str, _Taken] = {}
        self._unpack = unpack
        self.unpacked: dict[Kind, list[str]] = {kind: [] for kind in STACKS}

    def joins(self, step: ir.LoweredStep) -> bool:
        return isinstance(step, (ir.Skip, ir.Branches, ir.When, ir.Save, ir.From, ir.Each))

    def chain(
        self, steps: ir.LoweredBody, body: ir.LoweredBody, value: py.Expression, target: str, name: str
    ) -> py.Expression:
        for step in steps:
            match step:
                case ir.Layer():
                    value = self.layer(step, value, target)
                case ir.BlockCall():
                    value = self.call(step, self.bound(value, target))
                case ir.Repeat():
                    value = self._repeat(step, value, target)
                case ir.Choice():
                    value = self._choice(step, value, target)
                case ir.Let():
                    let = constant(self.scope, step)
                    for own in (self.body, *self.beside):
                        own.append(let)
        return value

    def tensors(self, kind: Kind) -> tuple[py.Statement, ...]:
        """The statements that return the list of tensors of a kind; none if it is empty."""
        what, additions = self._lists[kind]
        made = gathered(what, pruned(additions), "list[Tensor]")
        last = made[-1]
        if made == (py.Assign(what, py.Sequence("[]", ()), annotation="list[Tensor]"),):
            return ()
        if isinstance(last, py.Assign) and last.operator == "=" and last.target == what:
            return (*made[:-1], py.Return(last.value))
        return (*made, py.Return(py.Name(what)))

    def layer(self, layer: ir.Layer, value: py.Expression, target: str) -> py.Expression:
        function = layer.function
        if function is None:
            return value
        if layer.weights and not layer.operation.is_activation:
            value = self.bound(value, target)
        slots = {
            "training": py.Name("training"),
            "generator": py.Name("generator"),
            **{weight.name: py.Literal(None) for weight in layer.weights},
            **self._tensors(layer),
        }

        def make(x: py.Expression) -> py.Expression:
            return torch_call(function, self.scope, {"x": x, **slots}, layer.span)

        return self.around(layer.operation, value, target, make)

    def _made(self, layer: ir.Layer, weight: Weight, kernel: Weight | None) -> py.Expression:
        made = self._inits.tensor(layer, weight, kernel, self.scope)._replace(span=layer.span)
        trained = self._trained(layer, weight)
        if weight.kind == "buffers" or trained == py.Literal(True):
            return made
        return py.Method(made, "requires_grad_", (trained,))

    def _trained(self, layer: ir.Layer, weight: Weight) -> py.Expression:
        """True if the weight is trained, as an expression: `freeze` is yes, no, or the name of one."""
        if isinstance(layer.freeze, Const):
            return py.Literal(layer.freeze.value not in (True, Symbol(weight.name)))
        frozen = py.Sequence("()", (py.Literal(True), py.Literal(weight.name)))
        return py.Operation("not in", (self.scope(layer.freeze), frozen))

    def _tensors(self, layer: ir.Layer) -> dict[str, py.Expression]:
        """Adds the weights of a layer to their lists, and takes them into variables, which are returned by
        the weights' names.
        """
        if not layer.weights:
            return {}
        name = step_name(layer)
        self._seen[name] += 1
        name = f"{name}{self._seen[name]}" if self._kinds[name] > 1 else name
        there = [weight for weight in layer.weights if weight.present != NO]
        kernel = next((weight for weight in there if weight.role == "kernel"), None)
        taken: dict[str, py.Expression] = {}
        for (kind, present), group in groupby(there, key=lambda weight: (weight.kind, weight.present)):
            weights = list(group)
            what, additions = self._lists[kind]
            made = added(what, *(self._made(layer, weight, kernel) for weight in weights))
            additions.append(made if present == YES else py.If(self.scope(present), (made,)))
            names = tuple(self.names.free(tensor_name(name, weight)) for weight in weights)
            if self._unpack:
                self.unpacked[kind] += names
            else:
                self._take(STACKS[kind], names, present)
            taken |= {weight.name: py.Name(own) for weight, own in zip(weights, names, strict=True)}
        return taken

    def _take(self, stack: str, tensors: tuple[str, ...], present: Expr) -> None:
        """Takes tensors from a stack, if they are `present`; in one statement with those before, if few."""
        if present != YES:
            self._taken.pop(stack, None)
            for tensor in tensors:
                taken_if = py.Operation("if", (self.scope(present), _pop(stack), py.Literal(None)))
                self.body.append(py.Assign(tensor, taken_if))
            return
        last = self._taken.get(stack)
        if last is not None and last.body is self.body:
            taken = last._replace(names=(*last.names, *tensors))
            if len(taken.names) <= _MOST_TAKEN:
                self.body[last.position], self._taken[stack] = _take_statement(stack, taken.names), taken
                return
        self._taken[stack] = _Taken(self.body, len(self.body), tensors)
        self.body.append(_take_statement(stack, tensors))

    def call(self, call: ir.BlockCall, x: py.Expression) -> py.Call:
        self._taken.clear()  # the block takes its own tensors
        functions = self._blocks[call.block.name]
        for kind, signature in functions.lists.items():
            what, additions = self._lists[kind]
            additions.append(py.Assign(what, call_of(signature, call, self.scope), operator="+="))
        return call_of(functions.forward, call, self.scope, (x,))

    def shared(self, call: ir.BlockCall, values: Sequence[py.Name]) -> Iterator[py.Expression]:
        *others, last = values
        made = self.call(call, last)
        stacks = [py.Name(stack) for stack in STACKS.values()]
        copies = [py.Method(own, "copy") if own in stacks else own for own in made.positional[1:]]
        yield from (made._replace(positional=(value, *copies)) for value in others)
        yield made

    def stage(self, stage: ir.LoweredStage, value: py.Expression, target: str) -> py.Expression:
        for run in stage.runs:
            value = self._run(run, value, target)
        return value

    def _run(self, run: ir.Run, value: py.Expression, target: str) -> py.Expression:
        if run.copies == 1:
            return self.call(run.call, self.bound(value, target))
        x = self.assign(target, value)
        with self.scope.loop(run.variable) as variable:
            bodies = self.inside(lambda: self.assign(target, self.call(run.call, x)))
        times = py.Call("range", (py.Literal(run.copies),))
        for own, body in zip((self.body, *self.beside), bodies, strict=True):
            own.append(py.For(variable, times, body))
        return x

    def _repeat(self, step: ir.Repeat, value: py.Expression, target: str) -> py.Expression:
        x = self.assign(target, value)
        loops = loop(self.scope, step, lambda: self.case(step.body, x, target, ()))
        for own, statements in zip((self.body, *self.beside), loops, strict=True):
            own += statements
        return x

    def _choice(self, step: ir.Choice, value: py.Expression, target: str) -> py.Expression:
        symbols, bodies = zip(*step.cases, strict=True)
        *conditions, last = (operator("==", Ref(step.holder), Const(symbol)) for symbol in symbols)
        return self.choose(conditions, bodies, value, target, last=last)

    def condition(self, expr: Expr, name: str) -> py.Expression:
        return self.scope(expr)

    def inlines(self, value: py.Expression) -> bool:
        return isinstance(value, py.Name)


def tensor_name(layer: str, weight: Weight) -> str:
    """The variable name of a layer's weight: `conv1_weight`, `bn1_mean`."""
    return f"{layer}_{weight.name.removeprefix('running_').replace('.', '_')}"


def _take_statement(stack: str, tensors: tuple[str, ...]) -> py.Assign:
    if len(tensors) == 1:
        return py.Assign(tensors[0], _pop(stack))
    return py.Assign(", ".join(tensors), py.Call("take", (py.Name(stack), py.Literal(len(tensors)))))


def _pop(stack: str) -> py.Expression:
    return py.Method(py.Name(stack), "pop")
