"""Modules as expressions: a layer, a block, and a chain of them as one `nn.Sequential`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from netdsl.base.tree import steps
from netdsl.base.values import Symbol
from netdsl.codegen import python as py
from netdsl.codegen.function_scope import Scope
from netdsl.codegen.list_builder import added, constant, gathered, loop
from netdsl.codegen.module_init import OF_VECTORS, ModuleInit
from netdsl.codegen.names import label_of
from netdsl.codegen.prune import copies
from netdsl.codegen.signatures import Signature, call_of
from netdsl.codegen.template_models import torch_call
from netdsl.ir import lowered as ir
from netdsl.language.expressions import NO, YES, Ref


def _parts(body: ir.LoweredBody) -> Iterator[ir.LoweredBody]:
    """A chain in parts: several layers on the channels at each position of a map, with those on each number
    between them, are one; any other step is one by itself.
    """
    start = 0
    while start < len(body):
        end, on_channels = start + 1, 0
        for index in range(start, len(body)):
            step = body[index]
            if not isinstance(step, ir.Layer):
                break
            if step.module.target in OF_VECTORS:
                end, on_channels = index + 1, on_channels + 1
            elif not on_channels or not step.operation.by_number:
                break
        if on_channels < 2:
            end = start + 1
        yield body[start:end]
        start = end


def _of_vectors(layer: ir.LoweredStep) -> ir.LoweredStep:
    """The layer for the channels as vectors."""
    assert isinstance(layer, ir.Layer)
    target = layer.module.target
    return layer._replace(module=layer.module._replace(target=OF_VECTORS.get(target, target)))


class SequentialBuilder:
    """Writes expressions that make modules; statements that they need are added to `setup`.

    `constructors` make the blocks. `held`: parameters hold torch classes, not names of operations.
    """

    def __init__(
        self,
        constructors: Mapping[str, Signature],
        scope: Scope,
        initialisation: ModuleInit,
        *,
        held: bool,
    ) -> None:
        self.held = held
        self.scope = scope
        self.setup: list[py.Statement] = []
        self.initialisation = initialisation
        self._constructors = constructors

    def is_plain(self, body: ir.LoweredBody) -> bool:
        """True if a body can be one module."""
        return ir.is_chain(body) and not any(map(self.is_special, steps(body)))

    def is_special(self, step: ir.LoweredStep) -> bool:
        """True if a step needs an attribute of its own, for its label or its rules of initialisation."""
        return self.has_rules(step) or label_of(step) is not None

    def has_rules(self, step: ir.LoweredStep) -> bool:
        return isinstance(step, ir.Layer) and bool(self.initialisation.own_rules(step))

    def chain(self, body: ir.LoweredBody, name: str = "layers") -> py.Expression:
        """A chain as one module: an `nn.Sequential`, or its only step."""
        made = self.sequential(body, name)
        alone = len(made.positional) == 1 and isinstance(made.positional[0], (py.Call, py.Method))
        return made.positional[0] if alone else made

    def sequential(self, body: ir.LoweredBody, name: str = "layers") -> py.Call:
        """A chain as an `nn.Sequential`; `name` is that of the list of its modules, if it needs one.

        Several layers on the channels at each position of a map are a `ChannelsLast`, which permutes the map
        once: torch's activations are slower on a permuted one.
        """
        if all(isinstance(step, ir.Let) or self._is_item(step) for step in body):
            self.setup += [constant(self.scope, step) for step in body if isinstance(step, ir.Let)]
            parts = tuple(_parts(tuple(step for step in body if not isinstance(step, ir.Let))))
            is_one = len(parts) == 1 and len(parts[0]) > 1
            return (
                self._together(parts[0])
                if is_one
                else py.Call("nn.Sequential", tuple(map(self._part, parts)))
            )
        layers = self.scope.free.numbered(name)
        self.setup += gathered(layers, self._additions(layers, body), "list[nn.Module]", always=True)
        return py.Call("nn.Sequential", (py.Name(f"*{layers}"),))

    def stage(self, stage: ir.LoweredStage) -> py.Expression:
        items = tuple(map(self._run, stage.runs))
        alone = len(items) == 1 and not isinstance(items[0], py.Copies)
        return items[0] if alone else py.Call("nn.Sequential", items)

    def item(self, step: ir.LoweredStep) -> py.Expression:
        """A step as the expression that makes it."""
        match step:
            case ir.Layer():
                return self._frozen(
                    step, torch_call(self.initialisation.call(step), self.scope, {}, step.span)
                )
            case ir.BlockCall():
                return call_of(self._constructors[step.block.name], step, self.scope)
            case ir.Choice(holder, cases):
                (_, (layer,)), *_ = cases
                assert isinstance(layer, ir.Layer)
                made = torch_call(layer.module, self.scope, {}, layer.span)
                return self._frozen(layer, made._replace(function=py.show(self.scope(Ref(holder)))))
            case ir.Repeat(times, index, None, (inner,)):
                with self.scope.loop(index) as variable:
                    return copies(self.item(inner), variable, self.scope(times))
        raise AssertionError(step)

    def _part(self, part: ir.LoweredBody) -> py.Expression:
        return self.item(part[0]) if len(part) == 1 else self._together(part)

    def _together(self, part: ir.LoweredBody) -> py.Call:
        return py.Call("ChannelsLast", tuple(map(self.item, map(_of_vectors, part))))

    def _is_item(self, step: ir.LoweredStep) -> bool:
        match step:
            case ir.Layer() | ir.BlockCall():
                return True
            case ir.Choice():
                return self.held
            case ir.Repeat(carried=None, body=(inner,)):
                return not isinstance(inner, ir.Repeat) and self._is_item(inner)
            case _:
                return False

    def _run(self, run: ir.Run) -> py.Expression:
        with self.scope.loop(run.variable) as variable:
            made = self.item(run.call)
            return made if run.copies == 1 else copies(made, variable, py.Literal(run.copies))

    def _frozen(self, layer: ir.Layer, made: py.Call) -> py.Expression:
        if layer.freeze == NO:
            return made
        if layer.freeze == YES:
            return py.Method(made, "requires_grad_", (py.Literal(False),))
        return py.Call("freeze", (made, self.scope(layer.freeze)))

    def _additions(self, layers: str, body: ir.LoweredBody) -> tuple[py.Statement, ...]:
        """Statements that add the modules of a chain to a list."""

        def inside(case: ir.LoweredBody) -> tuple[py.Statement, ...]:
            return self._additions(layers, case)

        statements: list[py.Statement] = []
        for step in body:
            match step:
                case ir.Let():
                    statements.append(constant(self.scope, step))
                case ir.When(cases, otherwise):
                    conditions = [self.scope(condition) for condition, _ in cases]
                    bodies = [inside(case) for _, case in cases]
                    statements.append(py.either(zip(conditions, bodies, strict=True), inside(otherwise)))
                case ir.Choice() if not self.held:
                    statements.append(
                        self.choice(step, {symbol: inside(case) for symbol, case in step.cases})
                    )
                case ir.Repeat() if not self._is_item(step):
                    (looped,) = loop(self.scope, step, partial(lambda body: [inside(body)], step.body))
                    statements += looped
                case _:
                    statements.append(added(layers, self.item(step)))
        return tuple(statements)

    def choice(self, choice: ir.Choice, cases: Mapping[Symbol, tuple[py.Statement, ...]]) -> py.If:
        """Statements for each operation or block whose name a parameter may hold."""
        holder = self.scope(Ref(choice.holder))
        *others, last = cases.items()
        conditions = ((py.Operation("==", (holder, py.Literal(symbol))), then) for symbol, then in others)
        return py.either(conditions, last[1])
