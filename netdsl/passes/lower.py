"""TypedNetwork to LoweredNetwork: each block is written once, over its parameters.

Channels are followed through a block as expressions of its parameters; what only concrete shapes tell
(the features after a `flatten`) is a constant where all instances agree, else one more parameter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import TypeAlias, cast

from netdsl.expressions import (
    IN,
    ONE,
    YES,
    Const,
    Environment,
    Expr,
    Operator,
    Ref,
    known_or_none,
    operator,
    substitute,
)
from netdsl.lowered import (
    BlockCall,
    BlockParameter,
    Layer,
    LoweredBlock,
    LoweredBody,
    LoweredNetwork,
    LoweredPart,
    LoweredSection,
    LoweredStage,
    LoweredStep,
    Skip,
)
from netdsl.ops.base import Symbolic
from netdsl.passes.floats import agree, in_python, is_inexact, length
from netdsl.resolved import BlockDefinition, BlockStep, OperationStep, SkipStep
from netdsl.typed import (
    Instance,
    TypedBody,
    TypedCall,
    TypedNetwork,
    TypedOperation,
    TypedSection,
    TypedSkip,
    TypedStage,
)
from netdsl.values import Size, Symbol, Value

# An expression of more parts than this is no longer one that a reader wants to see.
LONGEST = 60

# A block on maps and the same block on vectors are two, with different torch layers.
_Key: TypeAlias = tuple[str, int]

# None stands for the network itself, which is there once.
_Owner: TypeAlias = Instance | None
_Values: TypeAlias = dict[_Owner, Value]


def lower(network: TypedNetwork) -> LoweredNetwork:
    """Never fails: whatever can be wrong with a network was found by the passes before."""
    lowering = _Lowering(network)
    return LoweredNetwork(network.network, network.output, tuple(lowering.blocks.values()), lowering.parts())


@dataclass(slots=True)
class _Context:
    """The block or section that is being lowered: what its names stand for, and its concrete instances.

    `extra` are the parameters that the block needs beyond its own, with their value for each instance.
    """

    names: Mapping[str, Expr]
    instances: Sequence[Instance] = ()
    extra: dict[str, _Values] = field(default_factory=dict)

    def told(self, values: _Values, kind: str) -> Expr:
        """A value that it takes concrete instances to tell: a constant, or one more parameter."""
        if any(isinstance(value, Size) for value in values.values()):
            values = {owner: _pair(value) for owner, value in values.items()}
        if len({(type(value), value) for value in values.values()}) == 1:
            return Const(next(iter(values.values())))
        taken = {*self.extra, *(name for instance in self.instances for name in instance.values)}
        name = next(name for n in count(1) if (name := f"{kind}{n}") not in taken)
        self.extra[name] = values
        return _both(Ref(name)) if isinstance(next(iter(values.values())), Size) else Ref(name)

    def argument(self, expr: Expr, owners: Collection[_Owner]) -> Expr:
        """The expression in the names of generated code, whole where the argument is: what Python's floats
        would make another number than the language's exact ones becomes a parameter.
        """
        renamed = substitute(expr, self.names)
        found = {owner: known_or_none(renamed, self._environment(owner)) for owner in owners}
        values = {owner: value for owner, value in found.items() if value is not None}
        written = self._whole_divisions(renamed)
        python = {owner: in_python(written, self._environment(owner)) for owner in values}
        whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values.values())
        if whole and any(isinstance(value, float) for value in python.values()):
            written = operator("round", written)
            python = {owner: in_python(written, self._environment(owner)) for owner in values}
        if length(written) <= LONGEST and all(agree(python[owner], values[owner]) for owner in values):
            return written
        return self.told(values, "size" if whole else "value")

    def bounded(self, expr: Expr, owners: Collection[_Owner]) -> Expr:
        """The expression, or its value where blocks within blocks have made it long."""
        return expr if length(expr) <= LONGEST else self.argument(expr, owners)

    def _environment(self, owner: _Owner) -> Environment:
        """What the names are in an instance; a section has none."""
        if owner is None:
            return {}
        return {**owner.values, **{name: _of(owner, sizes) for name, sizes in self.extra.items()}}

    def _whole_divisions(self, expr: Expr) -> Expr:
        """`/` as `//` where it comes out whole in every instance that comes to it."""
        if not isinstance(expr, Operator):
            return expr
        whole = expr.name == "/" and not any(map(is_inexact, expr.operands))
        if whole:
            owners: Sequence[_Owner] = self.instances or (None,)
            values = [known_or_none(expr, self._environment(owner)) for owner in owners]
            whole = all(value is None or isinstance(value, int) for value in values)
        return operator("//" if whole else expr.name, *map(self._whole_divisions, expr.operands))


@dataclass(slots=True)
class _Flow:
    """What is known at a point of a body; `reduction` is None after a step that keeps to no grid."""

    tensor: Symbolic
    reduction: Expr | None = ONE

    def advance(self, tensor: Symbolic, reduction: Expr | None) -> None:
        self.tensor = tensor
        known_both = self.reduction is not None and reduction is not None
        self.reduction = operator("*", self.reduction, reduction) if known_both else None  # type: ignore[arg-type]


# The same body in each instance that has it.
_Bodies: TypeAlias = list[tuple[_Owner, TypedBody]]


class _Lowering:
    def __init__(self, network: TypedNetwork) -> None:
        self._network = network
        self._extra: dict[_Key, dict[str, _Values]] = {}
        self.blocks: dict[_Key, LoweredBlock] = {}
        groups: dict[_Key, list[Instance]] = {}
        for instance in network.instances:
            groups.setdefault(_key(instance), []).append(instance)
        ranks = Counter(name for name, _ in groups)
        for key, instances in groups.items():
            suffix = "" if ranks[key[0]] == 1 else "_map" if key[1] == 3 else "_vector"
            self.blocks[key] = self._block(key, key[0] + suffix, instances)

    def parts(self) -> tuple[LoweredPart, ...]:
        kinds = Counter(part.section.kind for part in self._network.parts if isinstance(part, TypedSection))
        counted: Counter[str] = Counter()
        parts: list[LoweredPart] = []
        for part in self._network.parts:
            kind = "stage" if isinstance(part, TypedStage) else part.section.kind
            counted[kind] += 1
            name = f"{kind}{counted[kind]}" if kind == "stage" or kinds[kind] > 1 else kind
            parts.append(
                self._stage(part, name) if isinstance(part, TypedStage) else self._section(part, name)
            )
        return tuple(parts)

    def _section(self, part: TypedSection, name: str) -> LoweredSection:
        shape = part.body.input
        context = _Context({"in": Const(shape[0])})
        flow = _Flow(Symbolic(Const(shape[0]), is_map=len(shape) == 3))
        return LoweredSection(name, part.section.kind, self._body([(None, part.body)], flow, context))

    def _stage(self, part: TypedStage, name: str) -> LoweredStage:
        runs = []
        for instance, copies in part.runs:
            block = self.blocks[_key(instance)]
            given: dict[str, Expr] = {
                p.name: _paired(Const(instance.values[p.name]), p)
                for p in block.parameters
                if p.name in instance.values
            }
            for name_, sizes in self._extra[_key(instance)].items():
                given[name_] = Const(_of(instance, sizes))
            runs.append((_call(block, Const(instance.input[0]), given, None), copies))
        return LoweredStage(name, tuple(runs))

    def _block(self, key: _Key, name: str, instances: list[Instance]) -> LoweredBlock:
        definition = instances[0].block
        declared = _parameters(definition, instances)
        context = _Context({p.name: _both(Ref(p.name)) for p in declared if p.type == PAIR}, instances)
        tensor = Symbolic(IN, is_map=key[1] == 3)
        flow = _Flow(tensor)
        body = self._body([(instance, instance.body) for instance in instances], flow, context)
        self._extra[key] = context.extra
        extra = [
            BlockParameter(name, _annotation(list(values.values())), None, named=True)
            for name, values in context.extra.items()
        ]
        parameters = (*declared, *extra)
        return LoweredBlock(
            name, definition.documentation, parameters, body, tensor, flow.tensor, flow.reduction
        )

    def _body(self, bodies: _Bodies, flow: _Flow, context: _Context) -> LoweredBody:
        steps: list[LoweredStep] = []
        for index, first in enumerate(bodies[0][1].steps):
            column = [(owner, body.steps[index]) for owner, body in bodies]
            match first:
                case TypedOperation(step):
                    shapes = {owner: cast(TypedOperation, typed).output for owner, typed in column}
                    steps.append(_layer(step, first, shapes, flow, context))
                case TypedCall(step):
                    calls = {owner: cast(TypedCall, typed).instance for owner, typed in column}
                    steps.append(self._call(step, calls, flow, context))
                case TypedSkip(step):
                    skips = [(owner, cast(TypedSkip, typed)) for owner, typed in column]
                    steps.append(self._skip(step, skips, flow, context))
        return tuple(steps)

    def _call(
        self, step: BlockStep, instances: dict[_Owner, Instance], flow: _Flow, context: _Context
    ) -> BlockCall:
        key = _key(next(iter(instances.values())))
        block = self.blocks[key]
        names: dict[str, Expr] = {"in": flow.tensor.size}
        definition = next(iter(instances.values())).block
        given = dict(step.arguments)
        for parameter in block.parameters:
            name = parameter.name
            if name in self._extra[key]:
                values = self._extra[key][name]
                told = {owner: _of(inner, values) for owner, inner in instances.items()}
                names[name] = context.told(told, name.rstrip("0123456789"))
            elif name in given:
                names[name] = _paired(context.argument(given[name], instances), parameter)
            else:
                # A default speaks of the parameters before it, which stand here for this block's own names.
                default = substitute(cast(Expr, dict(definition.parameters)[name]), names)
                names[name] = _paired(context.argument(default, instances), parameter)
        call = _call(block, flow.tensor.size, names, step.label)
        size = context.bounded(substitute(block.output.size, names), instances)
        reduction = None if block.reduction is None else substitute(block.reduction, names)
        reduction = reduction and context.bounded(reduction, instances)
        flow.advance(Symbolic(size, block.output.is_map), reduction)
        return call

    def _skip(
        self, step: SkipStep, skips: list[tuple[_Owner, TypedSkip]], flow: _Flow, context: _Context
    ) -> Skip:
        before = flow.tensor
        inner = _Flow(before)
        body = self._body([(owner, skip.body) for owner, skip in skips], inner, context)
        assert inner.reduction is not None
        unchanged = operator("==", inner.reduction, ONE)
        same = operator("and", unchanged, operator("==", before.size, inner.tensor.size))
        projected: _Bodies = [(owner, skip.shortcut) for owner, skip in skips if skip.shortcut]
        shortcut = self._body(projected, _Flow(before), context) if projected else None
        # Where no instance needs the shortcut, or the language promises the same shape, x itself is added.
        same = same if shortcut or step.if_same else YES
        flow.advance(inner.tensor, inner.reduction)
        return Skip(body, None if same == YES else shortcut, same)


def _key(instance: Instance) -> _Key:
    return instance.block.name, len(instance.input)


def _layer(
    step: OperationStep,
    first: TypedOperation,
    shapes: dict[_Owner, tuple[int, ...]],
    flow: _Flow,
    context: _Context,
) -> Layer:
    operation = step.operation
    arguments = {name: context.argument(expr, shapes) for name, expr in step.arguments}
    x = flow.tensor
    layer = Layer(
        operation,
        operation.module(arguments, x),
        operation.function(arguments, x),
        operation.weights(arguments, x),
        step.label,
    )
    output = operation.flow(arguments, x)
    if output is None:
        size = context.told({owner: shape[0] for owner, shape in shapes.items()}, "features")
        output = Symbolic(size, is_map=len(first.output) == 3)
    flow.advance(output, operation.reduction(arguments) if first.operation.keeps_grid() else None)
    return layer


def _call(block: LoweredBlock, size: Expr, values: Mapping[str, Expr], label: str | None) -> BlockCall:
    """The call with the arguments that differ from the block's defaults."""
    given = ((p.name, values[p.name]) for p in block.parameters if values[p.name] != p.default)
    return BlockCall(block, size, tuple(given), label)


def _parameters(definition: BlockDefinition, instances: Sequence[Instance]) -> list[BlockParameter]:
    """The block's parameters with the Python types that its instances need.

    Only a constant default becomes a default in Python; others are given by every caller.
    """
    parameters = []
    required_after = len(definition.parameters)
    for index, (name, default) in reversed(list(enumerate(definition.parameters))):
        folded = None if default is None else substitute(default, {})
        constant = folded if isinstance(folded, Const) and index + 1 == required_after else None
        required_after = index if constant else required_after
        annotation = _annotation([instance.values[name] for instance in instances])
        parameter = BlockParameter(name, annotation, None, named=default is not None)
        parameters.append(parameter._replace(default=constant and _paired(constant, parameter)))
    return parameters[::-1]


PAIR = "tuple[int, int]"


def _annotation(values: Sequence[Value]) -> str:
    if any(isinstance(value, Size) for value in values):
        return PAIR
    if any(isinstance(value, Fraction) for value in values):
        return "float"
    kinds: dict[type, str] = {bool: "bool", int: "int", Symbol: "str", str: "str"}
    return " | ".join(dict.fromkeys(kinds.get(type(value), "object") for value in values))


def _pair(value: Value) -> Value:
    """`3` as `3x3`."""
    return Size((value, value)) if isinstance(value, int) else value


def _both(expr: Expr) -> Expr:
    """A pair as its two sides."""
    return operator("pair", *(operator("item", expr, Const(index)) for index in (0, 1)))


def _paired(expr: Expr, parameter: BlockParameter) -> Expr:
    """The argument as the parameter takes it: `3` as `3x3` where other callers give `1x7`."""
    if parameter.type != PAIR:
        return expr
    if isinstance(expr, Const):
        return Const(_pair(expr.value))
    if isinstance(expr, Operator) and expr.name == "if":
        condition, yes, no = expr.operands
        return operator("if", condition, _paired(yes, parameter), _paired(no, parameter))
    return expr if isinstance(expr, Operator) and expr.name == "pair" else operator("pair", expr, expr)


def _of(instance: Instance, values: _Values) -> Value:
    """The value for an instance; any where the instance never comes to the place that needs it."""
    return values[instance] if instance in values else next(iter(values.values()))
