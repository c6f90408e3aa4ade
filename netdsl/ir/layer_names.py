"""Names for the layers of a network: `stage3.block2.conv1`.

Sections and stages have their names in the generated code. Blocks of a stage are counted from 1, and so are
the steps of a block by kind, in the order in which they run. A step's label is its name. Steps in `skip`,
`repeat`, `when` or a unit are counted with those of the block; branches and shortcuts have separate
names, `concat1.branch2.conv1` and `skip1.shortcut.conv1`, and so have the tensors of an `each`:
`head.p3.conv1`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TypeAlias

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.names import numbered
from netdsl.base.source import Span
from netdsl.ir import typed as ir
from netdsl.ir.resolved import FromStep, SaveStep
from netdsl.ops.operation import Shape, Weighted

# Operations that compute no new features.
_NO_FEATURES = {"maxpool", "avgpool", "adaptive_avgpool", "global_avgpool", "global_maxpool"}
_NO_FEATURES |= {"dropout", "drop_path", "identity"}


class Layer(NamedTuple):
    """A named tensor of the network. `kind` is the operation or block that computes it, `section`, `stage`,
    `skip`, or the join of branches.

    The n-th layer with a `span` is the result of the n-th execution of that step. The output of a block, a
    section or a stage is the tensor of the layer numbered `alias`, and has no span. The input of an operation
    is the tensor of the layer numbered `before`, or the image if that is None. `parameters` are the roles of
    its own parameters: generated code of every style has them in the order of the layers. `shared`: its
    weights and statistics are those of an earlier layer, of the first tensor of an `each`.
    """

    name: str
    kind: str
    output: Shape
    span: Span | None
    alias: int | None = None
    before: int | None = None
    parameters: tuple[str, ...] = ()
    shared: bool = False


def layers(typed: ir.TypedNetwork, in_training: bool = False) -> tuple[Layer, ...]:
    """The layers of a network in the order in which they run, inner layers before outer ones; with those
    that run only in training if it is `in_training`.
    """
    return tuple(_Walk().network(typed, len(typed.parts) if in_training else typed.evaluated))


def parameter_layers(typed: ir.TypedNetwork) -> list[str]:
    """For each parameter of the generated code, in its order, the name of its layer."""
    return [name for name, _ in parameters(typed)]


def parameters(typed: ir.TypedNetwork) -> list[tuple[str, str]]:
    """For each parameter of the generated code, in its order, the name of its layer and its role."""
    return [(layer.name, role) for layer in layers(typed, in_training=True) for role in layer.parameters]


def is_within(layer: str, paths: Collection[str]) -> bool:
    """True if a layer is one of these, or inside of one."""
    return any(layer == path or layer.startswith(f"{path}.") for path in paths)


def last_feature_map(found: Sequence[Layer]) -> Layer | None:
    """The last feature map before the head, as in Grad-CAM (Selvaraju et al. 2017, section 3): one with a
    height and a width that is not only pooled from another; None if the network has none.
    """
    maps = feature_maps(found)
    before = [layer for layer in maps if not layer.name.startswith("head.")]
    if not maps:
        return None
    last = (before or maps)[-1]
    # Under the shortest of its names: `stage3`.
    return [layer for layer in found if layer is last or layer.alias == found.index(last)][-1]


def feature_maps(found: Sequence[Layer]) -> list[Layer]:
    """The layers with a height and a width that are not pools of another, except those in branches."""
    return [layer for layer in found if layer.alias is None and _is_map(layer)]


def _is_map(layer: Layer) -> bool:
    if len(layer.output) != 3 or layer.output[1] * layer.output[2] == 1 or layer.kind in _NO_FEATURES:
        return False
    # The result of a branch or a shortcut is only a part of the next layer.
    return not any(part.startswith(("branch", "shortcut")) for part in layer.name.split("."))


# The layers that have the names of `save`.
_Saved: TypeAlias = dict[str, int | None]


@dataclass(slots=True)
class _Scope:
    """A scope of unique names: a block's body, a section, a branch."""

    path: str
    used: set[str] = field(default_factory=set)

    def name(self, kind: str, label: str | None) -> str:
        candidates = (f"{kind}{n}" for n in count(1)) if label is None else numbered(label)
        own = next(name for name in candidates if name not in self.used)
        self.used.add(own)
        return f"{self.path}.{own}"


class _Walk:
    """A walk in the order of execution. Methods take the number of the current layer, None before the first,
    and return the number of the one after them.
    """

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def network(self, typed: ir.TypedNetwork, parts: int) -> list[Layer]:
        current = None
        saved: _Saved = {}
        for name, part in islice(typed.named_parts, parts):
            if isinstance(part, ir.TypedStage):
                current = self._alias(name, "stage", self._stage(part, name, current))
            else:
                current = self._alias(name, "section", self._body(part.body, _Scope(name), current, saved))
        return self._layers

    def _stage(self, part: ir.TypedStage, path: str, current: int | None) -> int | None:
        numbers = count(1)
        for instance, copies in part.runs:
            for _ in range(copies):
                current = self._block(instance, f"{path}.block{next(numbers)}", current)
        return current

    def _block(self, instance: ir.Instance, name: str, current: int | None) -> int | None:
        current = self._body(instance.body, _Scope(name), current, {})
        return self._alias(name, instance.block.name, current)

    def _body(self, body: ir.TypedBody, scope: _Scope, current: int | None, saved: _Saved) -> int | None:
        for step in body.steps:
            current = self._step(step, scope, current, saved)
        return current

    def _step(self, step: ir.TypedStep, scope: _Scope, current: int | None, saved: _Saved) -> int | None:
        match step:
            case ir.TypedOperation():
                return self._operation(step, step.step.unit or step.step.span, scope, current)
            case ir.TypedParameterCall(call=ir.TypedOperation() as held):
                return self._operation(held, step.step.span, scope, current)
            case ir.TypedParameterCall(call=ir.TypedCall() as held):
                return self._step(held, scope, current, saved)
            case ir.TypedCall(step=call, instance=instance):
                return self._block(instance, scope.name(instance.block.name, call.label), current)
            case ir.TypedSkip():
                return self._skip(step, scope, current, saved)
            case ir.TypedBranches(branches=branches):
                name = scope.name(step.step.join, None)
                for number, body in enumerate(branches, 1):
                    self._body(body, _Scope(f"{name}.branch{number}"), current, saved)
                return self._add(Layer(name, step.step.join, step.output, step.step.span))
            case ir.TypedRepeat(runs=runs):
                for body, copies in runs:
                    for _ in range(copies):
                        current = self._body(body, scope, current, saved)
                return current
            case ir.TypedEach(each):
                for number, (name, instance) in enumerate(zip(each.names, step.instances, strict=True)):
                    start = len(self._layers)
                    current = saved[name] = self._block(instance, scope.name("each", name), saved[name])
                    if number:
                        inside = (own._replace(parameters=(), shared=True) for own in self._layers[start:])
                        self._layers[start:] = inside
                return current
            case ir.TypedWhen(body=body):
                return self._body(body, scope, current, saved)
            case ir.TypedMark(step=SaveStep(name=name)):
                saved[name] = current
                return current
            case ir.TypedMark(step=FromStep(name=name)):
                return saved[name]
            case _:  # a `let`
                return current

    def _operation(
        self, step: ir.TypedOperation, span: Span, scope: _Scope, current: int | None
    ) -> int | None:
        kind = step.operation.name
        if kind == "identity":  # the same tensor, and no code
            return current
        name, operation = scope.name(kind, step.step.label), step.operation
        weights = operation.parameters() if isinstance(operation, Weighted) else []
        own = tuple(weight.role for weight in weights)
        return self._add(Layer(name, kind, step.output, span, before=current, parameters=own))

    def _skip(self, step: ir.TypedSkip, scope: _Scope, current: int | None, saved: _Saved) -> int | None:
        last = self._body(step.body, scope, current, saved)
        if not step.same and step.shortcut is None:  # `if same`, and it isn't: nothing is added
            return last
        name = scope.name("skip", None)
        if step.shortcut:
            self._body(step.shortcut, _Scope(f"{name}.shortcut"), current, saved)
        return self._add(Layer(name, "skip", step.output, step.step.span))

    def _add(self, layer: Layer) -> int:
        self._layers.append(layer)
        return len(self._layers) - 1

    def _alias(self, name: str, kind: str, current: int | None) -> int | None:
        if current is not None:
            self._add(Layer(name, kind, self._layers[current].output, None, current))
        return current
