"""Packages that only some commands need: netdsl's optional extras."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from netdsl.runtime.errors import RunError


def require_extra(extra: str, module: str, package: str, what: str) -> ModuleType:
    """Imports a module of an extra's package for `what`. Raises RunError if the package is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise RunError(
            f"{what} needs {package}, which isn't installed", f'pip install "netdsl[{extra}]"'
        ) from error
