"""The `module` style: a class for each block, and a class for the network."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.initialise import initialisation
from netdsl.codegen.modules import ModuleWriter, X, block_class
from netdsl.codegen.names import Translator
from netdsl.codegen.views import (
    ClassView,
    class_names,
    forward_documentation,
    is_chain,
    network_documentation,
)
from netdsl.lowered import LoweredNetwork, LoweredSection


class ModuleView(NamedTuple):
    """What `module.py.j2` lays out."""

    documentation: tuple[str, ...]
    classes: tuple[ClassView, ...]


def module_view(network: LoweredNetwork, source: str) -> ModuleView:
    name, constructors = class_names(network)
    blocks = tuple(block_class(block, constructors) for block in network.blocks)
    return ModuleView(
        network_documentation(network, source), (*blocks, _network_class(network, name, constructors))
    )


def _network_class(network: LoweredNetwork, name: str, constructors: dict[str, str]) -> ClassView:
    writer = ModuleWriter(constructors, Translator({}, "in"))
    for part in network.parts:
        if isinstance(part, LoweredSection):
            if part.kind == "layers" or not is_chain(part.body) or not part.body:
                writer.steps(part.body, flat=True)
                continue
            value = writer.chain(part.body)
        else:
            value = writer.stage(part)
        attribute = writer.attribute(part.name, value)
        writer.forward.append(py.Assign("x", py.Call(f"self.{attribute}", (X,))))
    setup = (*writer.setup, *initialisation(network, "self", "module"))
    documentation = forward_documentation(network)
    return ClassView(name, documentation, (), setup, (*writer.forward, py.Return(X)))
