"""Lowers a network: each block once, over its parameters.

Channels in a block are expressions over its parameters. Values that depend on the input's shape, as the
features after a `flatten`, are constants if all instances agree, else extra parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from netdsl.base.names import numbered
from netdsl.base.tree import map_bodies, steps
from netdsl.base.values import Value
from netdsl.ir import lowered as ir
from netdsl.ir.typed import Instance, TypedNetwork, TypedSection, TypedStage
from netdsl.language.expressions import IN, Const, Expr, Operator, Ref, references
from netdsl.lower.context import Context, NotUniform, Values, of_frame
from netdsl.lower.flow import Flow, Saved
from netdsl.lower.lower_body import BodyLowering
from netdsl.lower.parameter_types import PAIR, annotated, both, parameters
from netdsl.lower.stage_runs import Copy, runs_of
from netdsl.ops.operation import Symbolic

# The constant of the file that generated code may leave open.
CLASSES = "classes"


def lower(network: TypedNetwork) -> ir.LoweredNetwork:
    """The lowered network. All errors are found by earlier passes."""
    lowering = _Lowering(network)
    parts = lowering.parts(open_classes=network.network.open_classes)
    open_classes = _is_last(CLASSES, parts)
    parts = parts if open_classes else lowering.parts(open_classes=False)
    outputs = tuple(
        ir.LoweredOutput(name, lowering.saved[name].name if name else "", shape, in_training_only)
        for name, shape, in_training_only in network.outputs
    )
    if len(outputs) == 1 and outputs[0].saved == _saved_at_end(parts):
        outputs = (outputs[0]._replace(saved=""),)
    parts = _with_saves(parts, {output.saved for output in outputs})
    return ir.LoweredNetwork(
        network.network, outputs, network.evaluated, tuple(lowering.blocks), parts, open_classes
    )


class _Lowering:
    def __init__(self, network: TypedNetwork) -> None:
        self._network = network
        self.blocks: list[ir.LoweredBlock] = []
        self._lowered: dict[Instance, tuple[ir.LoweredBlock, Mapping[str, Values]]] = {}
        self._names: set[str] = set()
        # What the sections have saved.
        self.saved: dict[str, Saved] = {}
        # A block on maps and the same block on vectors have different torch layers.
        groups: dict[tuple[str, int], list[Instance]] = {}
        for instance in network.instances:
            groups.setdefault((instance.block.key, len(instance.input)), []).append(instance)
        ranks = Counter(key for key, _ in groups)
        self._groups: dict[Instance, tuple[str, list[Instance]]] = {}
        for (key, rank), instances in groups.items():
            suffix = "" if ranks[key] == 1 else "_map" if rank == 3 else "_vector"
            for instance in instances:
                self._groups[instance] = instances[0].block.name + suffix, instances
        self._open: list[list[Instance]] = []
        for instance in network.instances:
            self.block(instance)

    # blocks

    def block(self, instance: Instance) -> ir.LoweredBlock:
        """The block of an instance, lowered with all instances of it, after those that it calls."""
        while instance not in self._lowered:
            self._lower_group(*self._groups[instance])
        return self._lowered[instance][0]

    def extra(self, instance: Instance) -> Mapping[str, Values]:
        return self._lowered[instance][1]

    def _lower_group(self, name: str, instances: list[Instance]) -> None:
        if instances in self._open:  # it calls itself, by a parameter
            raise NotUniform
        self._open.append(instances)
        try:
            block, extra = self._block(name, instances)
        except NotUniform:  # the instances become several blocks
            if len(instances) == 1:
                raise
            for group in _alike(instances):
                self._groups.update(dict.fromkeys(group, (name, group)))
            return
        finally:
            self._open.pop()
        self.blocks.append(block)
        for instance in instances:
            self._lowered[instance] = block, extra

    def _block(
        self, name: str, instances: Sequence[Instance]
    ) -> tuple[ir.LoweredBlock, Mapping[str, Values]]:
        declared = parameters(instances)
        context = Context(instances)
        start = Symbolic(IN, is_map=len(instances[0].input) == 3)
        pairs = {p.name: both(Ref(p.name)) for p in declared if p.type == PAIR}
        flow = Flow(start, names=dict(pairs))
        body = BodyLowering(self, context).body([(i.frame, i.body) for i in instances], flow)
        extra = [
            ir.BlockParameter(name, annotated(list(values.values())), None, named=True)
            for name, values in context.extra.items()
        ]
        documentation = instances[0].block.documentation
        block = ir.LoweredBlock(
            self._free(name),
            documentation,
            _in_order(declared, extra),
            body,
            start,
            ir.Output(context.outside(flow.tensor.size), flow.tensor.is_map),
            context.outside(flow.reduction),
        )
        return block, context.extra

    def _free(self, name: str) -> str:
        """The name, with a number if another block has it."""
        free = next(free for free in numbered(name) if free not in self._names)
        self._names.add(free)
        return free

    # parts

    def parts(self, *, open_classes: bool) -> tuple[ir.LoweredPart, ...]:
        """The parts; with `open_classes` the number of classes is a name in them."""
        self.saved = {}
        return tuple(
            (
                self._stage(part, name)
                if isinstance(part, TypedStage)
                else self._section(part, name, open_classes)
            )
            for name, part in self._network.named_parts
        )

    def _section(self, part: TypedSection, name: str, open_classes: bool) -> ir.LoweredSection:
        shape, frame, section = part.body.input, part.body.frame, part.section
        size: Expr = Const(shape[0])
        flow = Flow(Symbolic(size, is_map=len(shape) == 3), names={"in": size}, saved=dict(self.saved))
        context = Context(taken={saved.name for saved in self.saved.values()})
        classes = self._network.network.classes
        if open_classes and classes is not None:
            context.taken.add(CLASSES)
            context.constants = (CLASSES,)
            context.define(CLASSES, {frame: classes})
        body = BodyLowering(self, context).body([(frame, part.body)], flow)
        self.saved = {name: Saved(saved.name) for name, saved in flow.saved.items()}
        return ir.LoweredSection(name, section.kind, body, section.span, bool(section.name))

    def _stage(self, part: TypedStage, name: str) -> ir.LoweredStage:
        copies: list[Copy] = []
        for instance, count in part.runs:
            block, extra = self._lowered[instance]
            more = {name: of_frame(instance.frame, values) for name, values in extra.items()}
            copies.append(Copy(block, instance.input[0], {**instance.values, **more}, count))
        return ir.LoweredStage(name, runs_of(part, copies), part.stage.span, bool(part.stage.label))


def _alike(instances: Sequence[Instance]) -> Iterable[list[Instance]]:
    """The instances in groups with the same values, or each alone, where there is only one such group."""
    groups: dict[tuple[Value, ...], list[Instance]] = {}
    for instance in instances:
        groups.setdefault(tuple(instance.values.values()), []).append(instance)
    return groups.values() if len(groups) > 1 else ([instance] for instance in instances)


def _saved_at_end(parts: Sequence[ir.LoweredPart]) -> str | None:
    """The name under which the tensor at the end of the parts is saved, if it is."""
    for part in reversed(parts):
        last = part.body[-1:] if isinstance(part, ir.LoweredSection) else (part,)
        if last:
            return last[0].name if isinstance(last[0], ir.Save) else None
    return None


def _with_saves(parts: Sequence[ir.LoweredPart], outputs: Collection[str]) -> tuple[ir.LoweredPart, ...]:
    """The parts, with only those tensors of sections saved that are used, or are `outputs`."""
    bodies = [part.body for part in parts if isinstance(part, ir.LoweredSection)]
    every = [step for body in bodies for step in steps(body)]
    taken = (step.name for step in every if isinstance(step, ir.From))
    used = {*taken, *outputs, *(name for step in every if isinstance(step, ir.Each) for name in step.names)}

    def kept(body: ir.LoweredBody) -> ir.LoweredBody:
        return tuple(map_bodies(s, kept) for s in body if not isinstance(s, ir.Save) or s.name in used)

    return tuple(map_bodies(part, kept) for part in parts)


def _is_last(name: str, parts: Sequence[ir.LoweredPart]) -> bool:
    """True if steps have the name in their arguments, and no step with weights comes after one of them: only
    after a tensor that was saved before it.
    """
    found = depends = False
    saved: dict[str, bool] = {}
    for part in parts:
        if isinstance(part, ir.LoweredStage):
            if depends:
                return False
            continue
        for outer in part.body:
            match outer:
                case ir.From():
                    depends = False
                case ir.Each(names):
                    depends = any(saved[own] for own in names)
            for step in steps((outer,)):
                match step:
                    case ir.Save(own):
                        saved[own] = depends
                    case ir.From(own):
                        depends |= saved[own]
                    case ir.Layer() | ir.BlockCall():
                        has_name = name in _references(step)
                        if depends and (has_name or isinstance(step, ir.BlockCall) or step.weights):
                            return False
                        depends |= has_name
                        found |= has_name
            if isinstance(outer, ir.Each):
                saved |= dict.fromkeys(outer.names, depends)
    return found


def _references(node: object) -> set[str]:
    """The names in the expressions of a layer or call."""
    if isinstance(node, (Const, Ref, Operator)):
        return set(references(node))
    if isinstance(node, ir.LoweredBlock) or not isinstance(node, tuple):
        return set()
    return set().union(*map(_references, node))


def _in_order(
    declared: Sequence[ir.BlockParameter], extra: Sequence[ir.BlockParameter]
) -> tuple[ir.BlockParameter, ...]:
    """The parameters without a default first, as Python requires."""
    first = next((i for i, p in enumerate(declared) if p.default is not None), len(declared))
    return (*declared[:first], *extra, *declared[first:])
