"""Collects the warnings. A network with errors has none, since an error may be their cause."""

from __future__ import annotations

from netdsl.diagnostics import Diagnostics
from netdsl.diagnostics.suppressions import is_allowed
from netdsl.ir.typed import TypedNetwork
from netdsl.lint.suspicious_layers import warn_of_layers
from netdsl.lint.unused_names import warn_of_names
from netdsl.resolve.bindings import Bindings


def warn(bindings: Bindings, network: TypedNetwork, diagnostics: Diagnostics) -> None:
    """Adds the warnings of a network, except those that a comment on their line allows."""
    found = Diagnostics()
    warn_of_names(bindings, found)
    warn_of_layers(network, found)
    for warning in found:
        if not is_allowed(warning.code, warning.labels[0].span):
            diagnostics.add(warning)
