"""The `module` style: a class for each block, and a class for the network."""

from __future__ import annotations

from netdsl.codegen import python as py
from netdsl.codegen.block_classes import Classes, constructor
from netdsl.codegen.module_writer import ModuleWriter, X
from netdsl.codegen.names import RESERVED, Names, camel
from netdsl.codegen.operation_parameters import with_classes
from netdsl.codegen.sequential_builder import SequentialBuilder
from netdsl.codegen.template_models import (
    ClassView,
    ModulesView,
    class_names,
    forward_documentation,
    network_documentation,
    open_parameters,
    returned,
)
from netdsl.ir.lowered import LoweredNetwork, LoweredSection


def module_view(network: LoweredNetwork, source: str) -> ModulesView:
    network = with_classes(network)
    name, names = class_names(network)
    taken = Names({*RESERVED, name, *names.values()})
    classes = Classes(network, taken)
    views = [*classes.variants, *(classes.of_block(block, names[block.name]) for block in network.blocks)]
    views.append(_network_class(network, name, classes, taken, views))
    return ModulesView(network_documentation(network, source), tuple(views))


def _network_class(
    network: LoweredNetwork, name: str, classes: Classes, taken: Names, views: list[ClassView]
) -> ClassView:
    """The class of the network; those of its sections are added to the `views`."""
    maker = classes.maker(classes.scope("module"))
    sections = [part for part in network.parts if isinstance(part, LoweredSection)]
    flat = [own for own in sections if _is_flat(own, maker)]
    labels = [part.name for part in network.parts if part.labelled]
    writer = ModuleWriter(maker, [own.body for own in flat], [own.body for own in flat], labels)
    value: py.Expression = X
    for number, part in enumerate(network.parts):
        if number == network.evaluated:
            writer.leave_in_evaluation(network, "self.training")
        if not isinstance(part, LoweredSection):
            made = maker.stage(part)
        elif part in flat:
            value = writer.steps(part.body, value, "x")
            continue
        elif maker.is_plain(part.body):
            made = (maker.sequential if part.labelled else maker.chain)(part.body, part.name)
        else:
            view, made = classes.of_section(part, taken.free(camel(part.name)))
            views.append(view)
        attribute = writer.attribute(part.name, made, exact=part.labelled)
        value = py.Call(f"self.{attribute}", (writer.bound(value, "x"),), span=part.span)
    named = network.outputs[0].saved
    forward = writer.named_forward(network.outputs) if named else writer.forward(value)
    initialised = classes.initialised("self", "module", writer.special)
    setup = constructor((*maker.setup, *initialised))
    documentation, parameters = forward_documentation(network), open_parameters(network)
    return ClassView(name, documentation, parameters, setup, forward, returns=returned(network))


def _is_flat(section: LoweredSection, maker: SequentialBuilder) -> bool:
    """True if the steps of a section are attributes of the network itself."""
    if section.labelled:
        return False
    return section.kind == "layers" or not section.body or not maker.is_plain(section.body)
