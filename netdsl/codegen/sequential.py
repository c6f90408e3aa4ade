"""The `sequential` style: one `nn.Sequential` of named parts; only parts with joins or labels are classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from netdsl.base.tree import steps
from netdsl.codegen import python as py
from netdsl.codegen.block_classes import Classes
from netdsl.codegen.module_init import Special
from netdsl.codegen.names import RESERVED, Names, camel, label_of, step_name
from netdsl.codegen.operation_parameters import with_classes
from netdsl.codegen.prune import pruned
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.template_models import (
    ClassView,
    FunctionView,
    ModulesView,
    class_names,
    forward_documentation,
    network_documentation,
    open_parameters,
)
from netdsl.ir.lowered import From, Layer, LoweredBody, LoweredNetwork, LoweredSection, Save, is_chain
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES


def is_sequence(network: LoweredNetwork) -> bool:
    """True if a network can be an `nn.Sequential`: its output is the tensor at the end, and no section takes
    a tensor of another one.
    """
    sections = [part.body for part in network.parts if isinstance(part, LoweredSection)]
    for body in sections:
        saved: set[str] = set()
        for step in steps(body):
            if isinstance(step, Save):
                saved.add(step.name)
            elif isinstance(step, From) and step.name not in saved:
                return False
    return not network.outputs[0].saved


def sequential_entry(network: LoweredNetwork) -> str:
    return Names().free(network.network.name)


def sequential_view(network: LoweredNetwork, source: str) -> ModulesView:
    network = with_classes(network)
    entry = sequential_entry(network)
    _, class_of = class_names(network)
    functions = Names({*RESERVED, entry, "model", "layer"})
    taken = Names({*RESERVED, entry, *class_of.values()})
    classes = Classes(network, taken)
    definitions: list[ClassView | FunctionView] = list(classes.variants)
    for block in network.blocks:
        if classes.is_plain(block.body):
            definitions.append(classes.function(block, functions.free(block.name)))
        else:
            definitions.append(classes.of_block(block, class_of[block.name]))
    bodies = [part.body for part in network.parts if isinstance(part, LoweredSection)]
    labels = [part.name for part in network.parts if part.labelled]
    writer = ModelWriter(classes.maker(classes.scope("model", "layer")), bodies, labels)
    for part in network.parts:
        if not isinstance(part, LoweredSection):
            writer.add(part.name, writer.maker.stage(part), exact=part.labelled)
        elif not is_chain(part.body) or (part.labelled and not writer.maker.is_plain(part.body)):
            view, made = classes.of_section(part, taken.free(camel(part.name)))
            definitions.append(view)
            writer.add(part.name, made, exact=part.labelled)
        elif part.labelled:
            writer.add(part.name, writer.maker.sequential(part.body, part.name), exact=True)
        elif len(network.parts) == 1 or any(map(label_of, part.body)):
            writer.steps(part.body)
        elif part.body:
            writer.add(part.name, writer.maker.chain(part.body, part.name))
    initialised = classes.initialised("model", "layer", writer.special)
    parts = (py.Call("OrderedDict", (), tuple(writer.parts)),) if writer.parts else ()
    model = py.Call("nn.Sequential", parts)
    last: tuple[py.Statement, ...] = (py.Return(model),)
    if initialised:
        last = (py.Assign("model", model), *initialised, py.Return(py.Name("model")))
    body = pruned((*writer.maker.setup, *last))
    definitions.append(FunctionView(entry, forward_documentation(network), open_parameters(network), body))
    return ModulesView(network_documentation(network, source), tuple(definitions))


class ModelWriter:
    """Collects the named parts of the network; `labels` are names that are reserved for some of them."""

    def __init__(
        self, maker: SequentialBuilder, bodies: Iterable[LoweredBody], labels: Iterable[str]
    ) -> None:
        self.maker = maker
        self.parts: list[tuple[str, py.Expression]] = []
        self.special: list[Special] = []
        own = (label_of(step) for body in bodies for step in body)
        self._names = Names(MODULE_ATTRIBUTES.union(filter(None, own), labels))

    def add(self, name: str, made: py.Expression, *, exact: bool = False) -> None:
        """Adds a part, called like `name` or `exact` so."""
        self.parts.append((name if exact else self._names.numbered(name), made))

    def steps(self, body: LoweredBody) -> None:
        """Adds each step of a chain, labelled ones under exactly their labels."""
        counted = Counter(map(step_name, body))
        for step in body:
            label, name = label_of(step), step_name(step)
            name = label or (f"{name}1" if counted[name] > 1 else name)
            self.add(name, self.maker.chain((step,), name), exact=label is not None)
            if isinstance(step, Layer) and label:
                for weight, rule in self.maker.initialisation.own_rules(step):
                    self.special.append(Special(label, weight, rule, typed=False))
