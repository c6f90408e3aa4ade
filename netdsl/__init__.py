"""netdsl: a declarative language for image networks.

`netdsl.load("resnet32")` gives a network: `network.module()` is its `nn.Module`, and
`network.train(data="digits")` trains it. `netdsl.NetworkError` says what is wrong with a file.
docs/python.md describes all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.base.version import __version__ as __version__

if TYPE_CHECKING:
    from netdsl.api.difference import Difference
    from netdsl.api.loading import Checked, check, diff, load, open
    from netdsl.api.network import Network, Run
    from netdsl.api.notebook import load_ipython_extension
    from netdsl.diagnostics import Diagnostic
    from netdsl.diagnostics.network_error import NetworkError
    from netdsl.language import recipe
    from netdsl.runtime.callback import Callback
    from netdsl.runtime.errors import RunError
    from netdsl.runtime.transplant import TransplantError, transplant

_HOMES = {
    "Callback": "runtime.callback",
    "Checked": "api.loading",
    "Diagnostic": "diagnostics",
    "Difference": "api.difference",
    "Network": "api.network",
    "NetworkError": "diagnostics.network_error",
    "Run": "api.network",
    "RunError": "runtime.errors",
    "TransplantError": "runtime.transplant",
    "check": "api.loading",
    "diff": "api.loading",
    "load": "api.loading",
    "load_ipython_extension": "api.notebook",
    "open": "api.loading",
    "recipe": "language.recipe",
    "transplant": "runtime.transplant",
}

__all__ = [
    "Callback",
    "Checked",
    "Diagnostic",
    "Difference",
    "Network",
    "NetworkError",
    "Run",
    "RunError",
    "TransplantError",
    "check",
    "diff",
    "load",
    "load_ipython_extension",
    "open",
    "recipe",
    "transplant",
]


def __getattr__(name: str) -> object:
    # Late, so that the command line's --help doesn't wait for the compiler.
    if name in _HOMES:
        from importlib import import_module

        home = import_module(f"netdsl.{_HOMES[name]}")
        return getattr(home, name, home)  # `recipe` is a module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
