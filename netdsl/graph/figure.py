"""TypedNetwork to Figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

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
from netdsl.ir.resolved import FromStep, RepeatStep, SaveStep
from netdsl.ir.typed import (
    Instance,
    TypedBody,
    TypedBranches,
    TypedCall,
    TypedMark,
    TypedNetwork,
    TypedOperation,
    TypedParameterCall,
    TypedPart,
    TypedRepeat,
    TypedSection,
    TypedSkip,
    TypedStage,
    TypedStep,
    TypedWhen,
)
from netdsl.language.expressions import Expr
from netdsl.ops import Operation
from netdsl.ops.linear import Flatten, Identity

# Copies of a stage that differ in their numbers alone are shown one by one up to so many.
MOST_COPIES = 3
# So many equal stages in a row are drawn as one.
FEWEST_STAGES = 3


def figure(network: TypedNetwork) -> Figure:
    """What the picture of a network shows."""
    return _Figure(network).build()


class _Figure:
    """Bodies are looked at in bundles: those of all instances of one form, whose steps are the same."""

    def __init__(self, network: TypedNetwork) -> None:
        self._network = network
        self._variants = BlockVariants(network)
        # The forms that have a panel, in the order of their letters.
        self._shown: list[int] = []

    def build(self) -> Figure:
        network = self._network.network
        cards = []
        stages = 0
        for part, count in _folded(self._network.parts):
            before = stages
            stages += count if isinstance(part, TypedStage) else 0
            cards.append(self._card(part, before + 1, stages))
        panels: list[Panel] = []
        while len(panels) < len(self._shown):  # a panel may show blocks that have none yet
            panels.append(self._panel(self._shown[len(panels)], len(panels)))
        cost, depth, field = self._network.cost, self._network.depth, self._network.receptive_field
        return Figure(
            cut(network.name),
            tuple(f"{cut(name)}={value_text(value)}" for name, value in network.parameters),
            plain(network.documentation),
            f"{totals(cost)}, depth {depth}, receptive field {field}×{field}",
            tuple(cards),
            tuple(panels),
        )

    # the row of sections and stages

    def _card(self, part: TypedPart, number: int, to: int) -> Card:
        """A section, or the equal stages of these numbers."""
        if isinstance(part, TypedSection):
            body, kind = part.body, part.section.kind
            measured = sizes([(body.input, body.output, body.cost)])
            facts = (f"{kind}, {place(part.section.span)}", *measured)
            return Card(kind, self._chain([body]), facts, body.input, body.output)
        first, last = part.runs[0][0], part.runs[-1][0]
        title = f"stage {number}" if number == to else f"stages {number}–{to}"
        each = "each " if number < to else ""
        measured = tuple(each + line for line in sizes([(first.input, last.output, part.cost)]))
        facts = (f"{title}, {place(part.stage.span)}", *measured)
        return Card(title, self._copies(part), facts, first.input, last.output)

    def _copies(self, stage: TypedStage) -> Chain:
        """The blocks of a stage: those together that follow each other and look alike."""
        given = {name for name, _ in (*stage.stage.first, *stage.stage.rest)}

        def alike(run: tuple[Instance, int]) -> tuple[object, ...]:
            return (self._variants.of(run[0]), _arguments([run[0]], given, {}))

        def same_form(run: tuple[Instance, int]) -> int:
            return self._variants.of(run[0])

        groups = [list(group) for _, group in groupby(stage.runs, key=alike)]
        if len(groups) > MOST_COPIES:
            groups = [list(group) for _, group in groupby(stage.runs, key=same_form)]
        return tuple(self._copy(group, stage, given) for group in groups)

    def _copy(self, runs: list[tuple[Instance, int]], stage: TypedStage, given: set[str]) -> BlockNode:
        instances = [instance for instance, _ in runs]
        count = sum(count for _, count in runs)
        fact = f"{source_text(stage.stage.span)}, {place(stage.stage.span)}"
        return self._block(instances, _arguments(instances, given, {}), count, fact)

    # blocks

    def _block(
        self, instances: Sequence[Instance], arguments: tuple[str, ...], count: int, fact: str
    ) -> BlockNode:
        form = self._variants.of(instances[0])
        if form not in self._shown:
            self._shown.append(form)
        measured = sizes((instance.input, instance.output, instance.cost) for instance in instances)
        return BlockNode(
            _letter(self._shown.index(form)),
            cut(instances[0].block.name),
            arguments,
            f"× {count}" if count > 1 else "",
            (fact, *measured),
            instances[-1].output if count > 1 else common(instance.output for instance in instances),
        )

    def _panel(self, form: int, index: int) -> Panel:
        instances = self._variants.instances(form)
        block = instances[0].block
        measured = [(instance.input, instance.output, instance.cost) for instance in instances]
        documentation = (plain(block.documentation),) if block.documentation else ()
        return Panel(
            _letter(index),
            cut(block.name),
            signature_texts([instance.values for instance in instances], block.parameters),
            self._chain([instance.body for instance in instances]),
            (f"{block.name}, {place(block.span)}", *documentation, *sizes(measured)),
            common(instance.input for instance in instances),
            common(instance.output for instance in instances),
        )

    # steps

    def _chain(self, bodies: Sequence[TypedBody]) -> Chain:
        """The steps of bodies of one form; empty where they do nothing."""
        aligned = zip(*(body.steps for body in bodies), strict=True)
        if all(
            isinstance(step, TypedOperation) and isinstance(step.operation, Identity)
            for step in bodies[0].steps
        ):
            return ()
        return tuple(node for steps in aligned for node in self._nodes(steps))

    def _nodes(self, steps: Sequence[TypedStep]) -> Chain:
        match steps[0]:
            case TypedOperation():
                return (self._operation([step for step in steps if isinstance(step, TypedOperation)]),)
            case TypedParameterCall():
                return (
                    self._parameter_call([step for step in steps if isinstance(step, TypedParameterCall)]),
                )
            case TypedCall():
                return (self._call([step for step in steps if isinstance(step, TypedCall)]),)
            case TypedSkip():
                return self._skip([step for step in steps if isinstance(step, TypedSkip)])
            case TypedBranches():
                return (self._branches([step for step in steps if isinstance(step, TypedBranches)]),)
            case TypedRepeat():
                return self._repeat([step for step in steps if isinstance(step, TypedRepeat)])
            case TypedWhen():
                return self._chain([step.body for step in steps if isinstance(step, TypedWhen)])
            case TypedMark(step):
                word = "save" if isinstance(step, SaveStep) else "from"
                has_input = not isinstance(step, FromStep)
                facts = (f"{word} {step.name}, {place(step.span)}",)
                return (
                    MarkNode(f"{word} {cut(step.name)}", has_input, facts, common(s.output for s in steps)),
                )
            case _:  # a constant
                return ()

    def _operation(self, steps: Sequence[TypedOperation], holder: str = "") -> OperationNode:
        """`holder` is the parameter that holds the operation: its name, where it holds several."""
        step = steps[0].step
        operations = [step.operation for step in steps]
        kinds = dict.fromkeys(type(operation) for operation in operations)
        written = dict(step.arguments)
        text = operation_text(operations, written) if len(kinds) == 1 else holder
        label = f"{cut(step.label)}: " if step.label else ""
        facts = [f"{source_text(step.span)}, {place(step.span)}"]
        if len(kinds) > 1:
            facts.append(f"{holder}: " + ", ".join(kind.name for kind in kinds))
        measured = sizes((step.input, step.output, step.cost) for step in steps)
        family = _family(operations[0])
        return OperationNode(label + text, family, (*facts, *measured), common(step.output for step in steps))

    def _parameter_call(self, steps: Sequence[TypedParameterCall]) -> Node:
        operations = [step.call for step in steps if isinstance(step.call, TypedOperation)]
        if operations:
            return self._operation(operations, steps[0].step.holder)
        return self._call([step.call for step in steps if isinstance(step.call, TypedCall)])

    def _call(self, steps: Sequence[TypedCall]) -> BlockNode:
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

    def _skip(self, steps: Sequence[TypedSkip]) -> Chain:
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

    def _branches(self, steps: Sequence[TypedBranches]) -> Node:
        step = steps[0].step
        branches = tuple(
            self._chain([step.branches[index] for step in steps]) for index in range(len(step.branches))
        )
        join, facts = JOINS[step.join], (f"{step.join}, {place(step.span)}",)
        output = common(step.output for step in steps)
        bodies = [branch for branch in branches if branch]
        if len(branches) == 2 and len(bodies) == 1:
            body = bodies[0]
            # What comes from elsewhere joins from the side.
            aside = isinstance(body[0], MarkNode) and not body[0].has_input
            return SkipNode(join, () if aside else body, body if aside else (), facts, output)
        return BranchesNode(join, branches, facts, output)

    def _repeat(self, steps: Sequence[TypedRepeat]) -> Chain:
        """A loop for each run of iterations that look alike."""
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


def _folded(parts: Sequence[TypedPart]) -> Iterator[tuple[TypedPart, int]]:
    """The parts, those in a row once that are equal stages: of the same blocks, arguments and shapes."""
    for _, group in groupby(parts, key=lambda part: part.runs if isinstance(part, TypedStage) else id(part)):
        equal = list(group)
        if len(equal) >= FEWEST_STAGES:
            yield equal[0], len(equal)
        else:
            yield from ((part, 1) for part in equal)


def _arguments(
    instances: Sequence[Instance], given: set[str], written: Mapping[str, Expr]
) -> tuple[str, ...]:
    parameters = [parameter for parameter in instances[0].block.parameters if parameter[0] in given]
    return argument_texts([instance.values for instance in instances], parameters, written)


def _outlined(body: TypedBody, repeat: RepeatStep) -> TypedBody | None:
    """The body of the block that the compiler made of a repeated part; no block of the file."""
    match body.steps:
        case (TypedCall(step, instance),) if step.span == repeat.span == instance.block.span:
            return instance.body
    return None


def _family(operation: Operation) -> str:
    """Operations of a family share a module; what has no weights among linear layers only rearranges."""
    if isinstance(operation, (Flatten, Identity)):
        return "rearrange"
    return type(operation).__module__.rpartition(".")[2]


def _letter(index: int) -> str:
    """a, b, …, z, aa, ab, …"""
    before, last = divmod(index, 26)
    return (_letter(before - 1) if before else "") + chr(ord("a") + last)
