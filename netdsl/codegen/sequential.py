"""The `sequential` style: one `nn.Sequential` of named parts; only what has a join or labels is a class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.block_classes import Classes
from netdsl.codegen.module_init import Special
from netdsl.codegen.names import RESERVED, Names, camel, label_of, step_names
from netdsl.codegen.operation_parameters import with_classes
from netdsl.codegen.prune import pruned
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.template_models import (
    ClassView,
    FunctionView,
    class_names,
    forward_documentation,
    network_documentation,
)
from netdsl.ir.lowered import Layer, LoweredBody, LoweredNetwork, LoweredSection, is_chain
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES


class SequentialView(NamedTuple):
    """What `sequential.py.j2` lays out: definitions in order, the network's function last."""

    documentation: tuple[str, ...]
    definitions: tuple[ClassView | FunctionView, ...]


def sequential_entry(network: LoweredNetwork) -> str:
    return Names().free(network.network.name)


def sequential_view(network: LoweredNetwork, source: str) -> SequentialView:
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
    writer = ModelWriter(classes.maker(classes.scope("model", "layer")), bodies)
    for part in network.parts:
        if not isinstance(part, LoweredSection):
            writer.add(part.name, writer.maker.stage(part))
        elif not is_chain(part.body):
            name = taken.free(camel(part.name))
            definitions.append(classes.of_section(part.body, name, part.name))
            writer.add(part.name, py.Call(name, span=part.span))
        elif len(network.parts) == 1 or any(map(label_of, part.body)):
            writer.steps(part.body)
        elif part.body:
            writer.add(part.name, writer.maker.chain(part.body))
    initialised = classes.initialised("model", "layer", writer.special)
    model = py.Assign("model", py.Call("nn.Sequential"))
    body = pruned((model, *writer.maker.setup, *initialised, py.Return(py.Name("model"))))
    definitions.append(FunctionView(entry, forward_documentation(network), (), body))
    return SequentialView(network_documentation(network, source), tuple(definitions))


class ModelWriter:
    """Writes the statements that add parts to the `nn.Sequential` of the network."""

    def __init__(self, maker: SequentialBuilder, bodies: Iterable[LoweredBody]) -> None:
        self.maker = maker
        self.special: list[Special] = []
        labels = (label_of(step) for body in bodies for step in body)
        self._names = Names(MODULE_ATTRIBUTES.union(filter(None, labels)))

    def add(self, name: str, made: py.Expression) -> None:
        """Adds a part, called like `name`."""
        self._add(self._names.numbered(name), made)

    def steps(self, body: LoweredBody) -> None:
        """Adds each step of a chain, labelled ones under exactly their labels."""
        for step, name in zip(body, step_names(body), strict=True):
            label = label_of(step)
            self._add(label or self._names.numbered(name), self.maker.chain((step,)))
            if isinstance(step, Layer) and label:
                for weight, rule in self.maker.initialisation.own_rules(step):
                    self.special.append(Special(label, weight, rule, typed=False))

    def _add(self, name: str, made: py.Expression) -> None:
        self.maker.setup.append(py.Evaluate(py.Call("model.add_module", (py.Literal(name), made))))
