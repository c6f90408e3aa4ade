"""TypedNetwork to Figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from netdsl.base.source import Span
from netdsl.base.tree import steps
from netdsl.graph.block_variants import BlockVariants
from netdsl.graph.figure_nodes import (
    BlockNode,
    BranchesNode,
    Card,
    Chain,
    Figure,
    LoopNode,
    MarkNode,
    Node,
    OperationNode,
    Panel,
    SkipNode,
)
from netdsl.graph.labels import (
    Measured,
    argument_texts,
    common,
    cut,
    operation_text,
    place,
    plain,
    signature_texts,
    sizes,
    source_text,
    totals,
    value_text,
)
from netdsl.ir import typed as ir
from netdsl.ir.resolved import RepeatStep, SaveStep
from netdsl.language.expressions import Expr
from netdsl.ops import Operation
from netdsl.ops.linear import Flatten, Identity

# The most copies of a stage that are drawn one by one if they differ only in their arguments.
MOST_COPIES = 3
# The fewest equal stages in a row that are drawn as one.
FEWEST_STAGES = 3


def figure(network: ir.TypedNetwork) -> Figure:
    """The figure of a network: the content of its picture."""
    return _Figure(network).build()


class _Figure:
    """Bodies are visited together for all instances of one variant, since their steps are the same."""

    def __init__(self, network: ir.TypedNetwork) -> None:
        self._network = network
        self._variants = BlockVariants(network)
        # The variants that have a panel, in the order of their letters.
        self._shown: list[int] = []
        # The steps that make the outputs, and their texts.
        sections = (part.body for part in network.parts if isinstance(part, ir.TypedSection))
        every = [step for body in sections for step in steps(body)]
        self._ends = {name: step.step.span for step in every for name in ir.names_of(step)}
        self._outputs = {
            output.name: cut(output.name) + (" (training)" if output.in_training_only else "")
            for output in network.outputs
        }
        self._draw: Mapping[type, Callable[[Any], Chain]] = {
            ir.TypedOperation: lambda steps: (self._operation(steps),),
            ir.TypedParameterCall: lambda steps: (self._parameter_call(steps),),
            ir.TypedCall: lambda steps: (self._call(steps),),
            ir.TypedSkip: self._skip,
            ir.TypedBranches: lambda steps: (self._branches(steps),),
            ir.TypedRepeat: self._repeat,
            ir.TypedEach: self._each,
            ir.TypedWhen: lambda steps: self._chain([step.body for step in steps]),
            ir.TypedMark: self._mark,
        }

    def build(self) -> Figure:
        network = self._network.network
        cards = [self._card(*named) for named in _folded(self._network)]
        panels: list[Panel] = []
        while len(panels) < len(self._shown):  # a panel may contain blocks that have no panel yet
            panels.append(self._panel(self._shown[len(panels)], len(panels)))
        cost, depth, field = self._network.cost, self._network.depth, self._network.receptive_field
        return Figure(
            cut(network.name),
            tuple(f"{cut(name)}={value_text(value)}" for name, value in network.parameters),
            plain(network.documentation),
            f"{totals(cost)}, depth {depth}, receptive field {field}×{field}",
            tuple(cards),
            tuple(panels),
            has_end=not network.outputs,
        )

    # the row of sections and stages

    def _card(self, part: ir.TypedPart, names: Sequence[str]) -> Card:
        """The card of a section, or of equal stages with these names."""
        title = "–".join(cut(name) for name in dict.fromkeys((names[0], names[-1])))
        if isinstance(part, ir.TypedSection):
            body = part.body
            facts = (f"{title}, {place(part.section.span)}", *sizes([body]))
            chain = self._chain([body])
            entered = not (chain and isinstance(chain[0], MarkNode) and not chain[0].has_input)
            return Card(title, chain, facts, body.input, body.output, entered)
        first, last = part.runs[0][0], part.runs[-1][0]
        each = "each " if len(names) > 1 else ""
        measured = tuple(each + line for line in sizes([Measured(first.input, last.output, part.cost)]))
        facts = (f"{title}, {place(part.stage.span)}", *measured)
        return Card(title, self._copies(part), facts, first.input, last.output)

    def _copies(self, stage: ir.TypedStage) -> Chain:
        """The blocks of a stage; successive ones that look the same are one node."""
        given = {name for name, _ in (*stage.stage.first, *stage.stage.rest)}

        def variant(run: tuple[ir.Instance, int]) -> int:
            return self._variants.of(run[0])

        def call(run: tuple[ir.Instance, int]) -> tuple[object, ...]:
            return (variant(run), _arguments([run[0]], given, {}))

        groups = [list(group) for _, group in groupby(stage.runs, key=call)]
        if len(groups) > MOST_COPIES:
            groups = [list(group) for _, group in groupby(stage.runs, key=variant)]
        return tuple(self._copy(group, stage, given) for group in groups)

    def _copy(self, runs: list[tuple[ir.Instance, int]], stage: ir.TypedStage, given: set[str]) -> BlockNode:
        instances = [instance for instance, _ in runs]
        count = sum(count for _, count in runs)
        fact = f"{source_text(stage.stage.span)}, {place(stage.stage.span)}"
        return self._block(instances, _arguments(instances, given, {}), count, fact)

    # blocks

    def _block(
        self, instances: Sequence[ir.Instance], arguments: tuple[str, ...], count: int, fact: str
    ) -> BlockNode:
        variant = self._variants.of(instances[0])
        if variant not in self._shown:
            self._shown.append(variant)
        return BlockNode(
            _letter(self._shown.index(variant)),
            cut(instances[0].block.name),
            arguments,
            f"× {count}" if count > 1 else "",
            (fact, *sizes(instances)),
            instances[-1].output if count > 1 else common(instance.output for instance in instances),
        )

    def _panel(self, variant: int, index: int) -> Panel:
        instances = self._variants.instances(variant)
        block = instances[0].block
        documentation = (plain(block.documentation),) if block.documentation else ()
        return Panel(
            _letter(index),
            cut(block.name),
            signature_texts([instance.values for instance in instances], block.parameters),
            self._chain([instance.body for instance in instances]),
            (f"{block.name}, {place(block.span)}", *documentation, *sizes(instances)),
            common(instance.input for instance in instances),
            common(instance.output for instance in instances),
        )

    # steps

    def _chain(self, bodies: Sequence[ir.TypedBody]) -> Chain:
        """The steps of bodies of one variant; empty if they do nothing."""
        aligned = zip(*(body.steps for body in bodies), strict=True)
        if all(
            isinstance(step, ir.TypedOperation) and isinstance(step.operation, Identity)
            for step in bodies[0].steps
        ):
            return ()
        return tuple(node for steps in aligned for node in self._nodes(steps))

    def _nodes(self, steps: Sequence[ir.TypedStep]) -> Chain:
        """The nodes of steps at one place of bodies of one variant; they have the same type."""
        draw = self._draw.get(type(steps[0]))
        return draw(steps) if draw else ()

    def _mark(self, steps: Sequence[ir.TypedMark]) -> Chain:
        step = steps[0].step
        saves = isinstance(step, SaveStep)
        word = "save" if saves else "from"
        text = self._saved(step.span, [step.name]) if saves else f"from {cut(step.name)}"
        facts = (f"{word} {step.name}, {place(step.span)}",)
        return (MarkNode(text, saves, facts, common(step.output for step in steps)),)

    def _saved(self, span: Span, names: Sequence[str]) -> str:
        """The text where a step saves tensors."""
        outputs = [name for name in names if name in self._outputs and self._ends[name] == span]
        others = [name for name in names if name not in outputs]
        texts = [f"output {', '.join(self._outputs[name] for name in outputs)}"] if outputs else []
        return ", ".join([*texts, f"save {', '.join(map(cut, others))}"] if others else texts)

    def _each(self, steps: Sequence[ir.TypedEach]) -> Chain:
        """The body once, between the names of the tensors."""
        step, instances = steps[0].step, [instance for each in steps for instance in each.instances]
        variant = self._variants.of(instances[0])
        bodies = [instance.body for instance in instances if self._variants.of(instance) == variant]
        facts = (f"each {', '.join(step.names)}, {place(step.span)}",)
        return (
            MarkNode(
                f"each {', '.join(map(cut, step.names))}", False, facts, common(body.input for body in bodies)
            ),
            *self._chain(bodies),
            MarkNode(self._saved(step.span, step.names), True, facts, common(body.output for body in bodies)),
        )

    def _operation(self, steps: Sequence[ir.TypedOperation], holder: str = "") -> OperationNode:
        """`holder` is the name of the parameter that holds the operation; shown if it holds several kinds."""
        step = steps[0].step
        operations = [step.operation for step in steps]
        kinds = dict.fromkeys(type(operation) for operation in operations)
        written = dict(step.arguments)
        text = operation_text(operations, written) if len(kinds) == 1 else holder
        label = f"{cut(step.label)}: " if step.label else ""
        facts = [f"{source_text(step.span)}, {place(step.span)}"]
        if len(kinds) > 1:
            facts.append(f"{holder}: " + ", ".join(kind.name for kind in kinds))
        output = common(step.output for step in steps)
        return OperationNode(label + text, _family(operations[0]), (*facts, *sizes(steps)), output)

    def _parameter_call(self, steps: Sequence[ir.TypedParameterCall]) -> Node:
        operations = [step.call for step in steps if isinstance(step.call, ir.TypedOperation)]
        if operations:
            return self._operation(operations, steps[0].step.holder)
        return self._call([step.call for step in steps if isinstance(step.call, ir.TypedCall)])

    def _call(self, steps: Sequence[ir.TypedCall]) -> BlockNode:
        instances = [step.instance for step in steps]
        step = steps[0].step
        written = dict(step.arguments)
        node = self._block(
            instances,
            _arguments(instances, set(written), written),
            1,
            f"{source_text(step.span)}, {place(step.span)}",
        )
        return node._replace(name=f"{cut(step.label)}: {node.name}") if step.label else node

    def _skip(self, steps: Sequence[ir.TypedSkip]) -> Chain:
        body = self._chain([step.body for step in steps])
        step = steps[0]
        if step.step.if_same and not step.same:
            return body
        dropped = [step.drop_path for step in steps if step.drop_path]
        if dropped:
            body = (*body, self._operation(dropped))
        shortcut = self._chain([step.shortcut for step in steps if step.shortcut]) if step.shortcut else ()
        output = common(step.output for step in steps)
        return (SkipNode(JOINS["add"], body, shortcut, (f"skip, {place(step.step.span)}",), output),)

    def _branches(self, steps: Sequence[ir.TypedBranches]) -> Node:
        step = steps[0].step
        branches = tuple(
            self._chain([step.branches[index] for step in steps]) for index in range(len(step.branches))
        )
        join, facts = JOINS[step.join], (f"{step.join}, {place(step.span)}",)
        output = common(step.output for step in steps)
        bodies = [branch for branch in branches if branch]
        if len(branches) == 2 and len(bodies) == 1:
            body = bodies[0]
            # A saved tensor is joined from the side.
            aside = isinstance(body[0], MarkNode) and not body[0].has_input
            return SkipNode(join, () if aside else body, body if aside else (), facts, output)
        return BranchesNode(join, branches, facts, output)

    def _repeat(self, steps: Sequence[ir.TypedRepeat]) -> Chain:
        """A loop for each run of iterations that look the same."""
        step = steps[0].step
        expr = source_text(step.times.span) if step.times.span else "n"
        facts = (f"repeat {expr}, {place(step.span)}",)
        nodes = []
        begun = [0] * len(steps)  # iterations of each step before the run
        for runs in zip(*(self._variants.runs(step) for step in steps), strict=True):
            bodies = [body for run in runs for body, _ in run]
            counts = [sum(count for _, count in run) for run in runs]
            first, times = common(begun), common(counts)
            begun = [before + count for before, count in zip(begun, counts, strict=True)]
            whole = first == 0 and all(n == step.times for n, step in zip(begun, steps, strict=True))
            if whole or first is None or times is None or step.variable is None:
                label = f"× {times or cut(expr)}"
            else:
                label = f"{cut(step.variable)} = {first}" + (f"–{first + times - 1}" if times > 1 else "")
            output = common(run[-1][0].output for run in runs)
            chain = self._chain([_outlined(body, step) or body for body in bodies])
            nodes.append(LoopNode(chain, label, facts, output))
        return tuple(nodes)


JOINS = {"add": "+", "mul": "×", "concat": "concat"}


def _folded(network: ir.TypedNetwork) -> Iterator[tuple[ir.TypedPart, list[str]]]:
    """The parts and their names; equal stages in a row (same blocks, arguments, shapes) are one part."""

    def key(named: tuple[str, ir.TypedPart]) -> object:
        return named[1].runs if isinstance(named[1], ir.TypedStage) else named[0]

    for _, group in groupby(network.named_parts, key):
        equal = list(group)
        if len(equal) >= FEWEST_STAGES:
            yield equal[0][1], [name for name, _ in equal]
        else:
            yield from ((part, [name]) for name, part in equal)


def _arguments(
    instances: Sequence[ir.Instance], given: set[str], written: Mapping[str, Expr]
) -> tuple[str, ...]:
    parameters = [parameter for parameter in instances[0].block.parameters if parameter[0] in given]
    return argument_texts([instance.values for instance in instances], parameters, written)


def _outlined(body: ir.TypedBody, repeat: RepeatStep) -> ir.TypedBody | None:
    """The body of a block that the compiler made of a repeated part, and that is not in the file."""
    match body.steps:
        case (ir.TypedCall(step, instance),) if step.span == repeat.span == instance.block.span:
            return instance.body
    return None


def _family(operation: Operation) -> str:
    """The module of the operation; `flatten` and `identity` are in `linear`, but only rearrange."""
    if isinstance(operation, (Flatten, Identity)):
        return "rearrange"
    return type(operation).__module__.rpartition(".")[2]


def _letter(index: int) -> str:
    """a, b, …, z, aa, ab, …"""
    before, last = divmod(index, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)
