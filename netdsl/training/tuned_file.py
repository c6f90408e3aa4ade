"""The `.net` file of a candidate: the text of a network with other defaults and another recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any

from netdsl.base.source import Span
from netdsl.base.values import Size, show
from netdsl.compiler import Compiled
from netdsl.diagnostics.fixes import Edit, edited
from netdsl.language.recipe_text import recipe_text
from netdsl.language.words import INPUT, VARIANT
from netdsl.network import CompiledNetwork
from netdsl.syntax import nodes


def tuned_text(candidate: Compiled, overrides: Mapping[str, str], folder: Path) -> str:
    """The text of a file in a folder that has the candidate's parameters, input and keys of the recipe as its
    own, and uses the same files.
    """
    return edited(candidate.source.text, _edits(candidate, overrides, folder))


def _edits(candidate: Compiled, overrides: Mapping[str, str], folder: Path) -> Iterator[Edit]:
    source, network = candidate.source, CompiledNetwork(candidate)
    recipe, variant = network.recipe, VARIANT in candidate.settings
    program = next(iter(candidate.files.values())).program
    settings = candidate.settings
    keys: dict[str, Any] = {key.partition(".")[0]: None for key in overrides}
    lines = {key: f"{key} {recipe_text(getattr(recipe, key))}" for key in keys}
    for statement in program.statements:
        match statement:
            case nodes.Network(parameters=parameters):
                for parameter in parameters:
                    name = parameter.name.text
                    if parameter.default and (name in settings or variant):
                        yield Edit(parameter.default.span, show(network.parameters[name]))
            case nodes.Input(shape=shape) if INPUT in settings or variant:
                yield Edit(shape.span, show(Size(network.input_shape)))
            case nodes.Use(path=path, span=span):
                own = relpath(Path(source.name).parent / path, folder).replace("\\", "/")
                yield Edit(span, span.text.replace(f'"{path}"', f'"{own}"'))
            case nodes.Train(entries=entries, span=span):
                for entry in entries:
                    if isinstance(entry, nodes.Entry) and entry.key.text in lines:
                        yield Edit(entry.span, lines.pop(entry.key.text))
                end = span.end - 1
                added = "".join(f"  {line}\n" for line in lines.values())
                new_line = "" if source.text[:end].endswith("\n") else "\n"
                lines = {}
                if added:
                    yield Edit(Span(source, end, end), new_line + added)
    if lines:
        body = "".join(f"  {line}\n" for line in lines.values())
        end = len(source.text)
        yield Edit(Span(source, end, end), f"\ntrain {{\n{body}}}\n")
