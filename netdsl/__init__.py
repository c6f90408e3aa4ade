"""netdsl: a declarative language for image networks.

`netdsl.load("resnet32").module()` gives an `nn.Module`; `netdsl.NetworkError` says what is wrong with a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.api import Network, load
    from netdsl.diagnostics import Diagnostic
    from netdsl.diagnostics.network_error import NetworkError
    from netdsl.runtime.transplant import TransplantError, transplant

__version__ = "0.5.0.dev0"

__all__ = ["Diagnostic", "Network", "NetworkError", "TransplantError", "load", "transplant"]

_HOMES = {
    "Network": "api",
    "load": "api",
    "Diagnostic": "diagnostics",
    "NetworkError": "diagnostics.network_error",
    "TransplantError": "runtime.transplant",
    "transplant": "runtime.transplant",
}


def __getattr__(name: str) -> object:
    # Late, so that the command line's --help doesn't wait for the compiler.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"netdsl.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
