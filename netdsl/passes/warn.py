"""Warnings: of names, of layers and of the recipe. A network with errors has none, since an error may be their cause."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.diagnostics import Diagnostic, Diagnostics
from netdsl.passes.oddities import warn_of_layers
from netdsl.passes.recipechecks import warn_of_recipe
from netdsl.passes.unused import warn_of_names
from netdsl.passes.uses import File
from netdsl.typed import TypedNetwork


def warn(files: Mapping[str, File], network: TypedNetwork, diagnostics: Diagnostics) -> None:
    """Adds the warnings of a network, but for those that a comment in their line allows."""
    found = Diagnostics()
    warn_of_names(files, found)
    warn_of_layers(network, found)
    warn_of_recipe(files, network.network, found)
    for warning in found:
        if not _allowed(warning):
            diagnostics.add(warning)


def _allowed(warning: Diagnostic) -> bool:
    """Whether `# allow NET703` stands in the line that is warned of."""
    span = warning.labels[0].span
    line = span.source.line(span.source.position(span.start)[0])
    _, allow, codes = line.partition("# allow ")
    return bool(allow) and warning.code in codes.replace(",", " ").split()
