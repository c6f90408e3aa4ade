"""The `sequential` style: one `nn.Sequential` of named parts; only what has a skip connection is a class."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.codegen import python as py
from netdsl.codegen.initialise import initialisation
from netdsl.codegen.modules import ModuleWriter, block_class, names_of, step_names, uses_size
from netdsl.codegen.names import RESERVED, Names, Translator, camel, enumerated
from netdsl.codegen.views import (
    ClassView,
    FunctionView,
    ParameterView,
    block_documentation,
    block_names,
    class_names,
    forward_documentation,
    is_chain,
    network_documentation,
    parameter_views,
    size_name,
)
from netdsl.expressions import ONE
from netdsl.lowered import LoweredBlock, LoweredNetwork, LoweredSection
from netdsl.ops.base import Symbolic


class SequentialView(NamedTuple):
    """What `sequential.py.j2` lays out: definitions in order, the network's function last."""

    documentation: tuple[str, ...]
    definitions: tuple[ClassView | FunctionView, ...]


def sequential_entry(network: LoweredNetwork) -> str:
    return Names().free(network.network.name)


def sequential_view(network: LoweredNetwork, source: str) -> SequentialView:
    entry = sequential_entry(network)
    _, classes = class_names(network)
    functions = Names({*RESERVED, entry, "model", "layer"})
    constructors = {
        block.name: functions.free(block.name) if is_chain(block.body) else classes[block.name]
        for block in network.blocks
    }
    definitions: list[ClassView | FunctionView] = [
        _block_function(block, constructors) if is_chain(block.body) else block_class(block, constructors)
        for block in network.blocks
    ]
    taken = Names({*RESERVED, *constructors.values()})
    writer = ModuleWriter(constructors, Translator({}, "in"))
    parts: list[tuple[str, py.Expression]] = []
    for part in network.parts:
        if not isinstance(part, LoweredSection):
            parts.append((part.name, writer.stage(part)))
        elif not is_chain(part.body):
            name = taken.free(camel(part.name))
            definitions.append(_section_class(part, name, constructors))
            parts.append((part.name, py.Call(name)))
        elif len(network.parts) == 1:
            parts += zip(step_names(part.body), map(writer.module, part.body), strict=True)
        elif part.body:
            parts.append((part.name, writer.chain(part.body)))
    names = enumerated(name for name, _ in parts)
    added = (
        py.Evaluate(py.Call("model.add_module", (py.Literal(name), made)))
        for name, (_, made) in zip(names, parts, strict=True)
    )
    model = py.Assign("model", py.Call("nn.Sequential"))
    body = (model, *added, *initialisation(network, "model", "layer"), py.Return(py.Name("model")))
    documentation = forward_documentation(network)
    definitions.append(FunctionView(entry, documentation, (), body))
    return SequentialView(network_documentation(network, source), tuple(definitions))


def _block_function(block: LoweredBlock, constructors: dict[str, str]) -> FunctionView:
    names = block_names(block, names_of(constructors))
    translate = Translator(names, size_name(block))
    writer = ModuleWriter(constructors, translate)
    made = py.Call("nn.Sequential", tuple(map(writer.module, block.body)))
    size = [ParameterView(size_name(block), "int")] if uses_size(block) else []
    parameters = (*size, *parameter_views(block, names, lambda name: True))
    return FunctionView(
        constructors[block.name], block_documentation(block, translate), parameters, (py.Return(made),)
    )


def _section_class(section: LoweredSection, name: str, constructors: dict[str, str]) -> ClassView:
    """A section with a skip connection, as a class of its own."""
    anything = Symbolic(ONE, is_map=True)
    block = LoweredBlock(name, "", (), section.body, anything, anything, None)
    view = block_class(block, {**constructors, name: name})
    return ClassView(name, (f"The section {section.name}.",), (), view.setup, view.forward)
