"""The `module` style: a class for each block, and a class for the network."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.block_classes import Classes
from netdsl.codegen.module_writer import ModuleWriter, X
from netdsl.codegen.names import RESERVED, Names
from netdsl.codegen.operation_parameters import with_classes
from netdsl.codegen.prune import pruned
from netdsl.codegen.template_models import (
    ClassView,
    class_names,
    forward_documentation,
    network_documentation,
)
from netdsl.ir.lowered import LoweredNetwork, LoweredSection


class ModuleView(NamedTuple):
    """What `module.py.j2` lays out."""

    documentation: tuple[str, ...]
    classes: tuple[ClassView, ...]


def module_view(network: LoweredNetwork, source: str) -> ModuleView:
    network = with_classes(network)
    name, names = class_names(network)
    classes = Classes(network, Names({*RESERVED, name, *names.values()}))
    blocks = [classes.of_block(block, names[block.name]) for block in network.blocks]
    views = (*classes.variants, *blocks, _network_class(network, name, classes))
    return ModuleView(network_documentation(network, source), views)


def _network_class(network: LoweredNetwork, name: str, classes: Classes) -> ClassView:
    maker = classes.maker(classes.scope("module"))
    sections = [part for part in network.parts if isinstance(part, LoweredSection)]
    flat = [own for own in sections if own.kind == "layers" or not maker.is_plain(own.body) or not own.body]
    writer = ModuleWriter(maker, [own.body for own in sections], [own.body for own in flat])
    value: py.Expression = X
    for part in network.parts:
        if not isinstance(part, LoweredSection):
            made = maker.stage(part)
        elif part in flat:
            value = writer.steps(part.body, value, "x")
            continue
        else:
            made = maker.chain(part.body)
        value = py.Call(
            f"self.{writer.attribute(part.name, made)}", (writer.bound(value, "x"),), span=part.span
        )
    forward = writer.forward(value)
    initialised = classes.initialised("self", "module", writer.special)
    setup = pruned((*maker.setup, *initialised))
    return ClassView(name, forward_documentation(network), (), setup, forward)
