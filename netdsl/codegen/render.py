"""Views to text: Jinja lays out, compile() checks, black breaks long lines."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from netdsl.codegen.environment import environment
from netdsl.codegen.helpers import carried
from netdsl.codegen.wrap import wrapped


class BrokenCode(Exception):
    """Generated code that isn't Python: a bug of netdsl, never of a `.net` file."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


# The possible imports of generated code, in their order: of the standard library, then of torch.
_STANDARD = {"math": "import math", "OrderedDict": "from collections import OrderedDict"}
_IMPORTS = {
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "Tensor": "from torch import Tensor",
    "nn": "from torch import nn",
}


# Stands for the imports until it is known which the code needs: a form feed is white space in Python.
_HERE = "\f"


def _imports(used: Set[str]) -> list[str]:
    """The imports of the names among those that are used."""
    standard = [line for name, line in _STANDARD.items() if name in used]
    own = [line for name, line in _IMPORTS.items() if name in used]
    if {"Tensor", "nn"} <= used:
        own[-2:] = ["from torch import Tensor, nn"]
    return [*standard, "", *own] if standard else own


class View(Protocol):
    """The data of a template, with its file name."""

    @property
    def template(self) -> str: ...


def laid_out(view: View) -> str:
    """The code of a view with the imports and helpers that it needs, with long lines."""
    raw: str = environment().get_template(view.template).render(view=view, imports=_HERE)
    try:
        helpers = carried(raw)
    except SyntaxError as error:
        raise BrokenCode(raw) from error
    lines = [*_imports(helpers.names), *(f"\n\n{helper}" for helper in helpers.definitions)]
    return raw.replace(f"\n{_HERE}\n", "\n".join(["", *lines, ""]), 1)


def render(view: View) -> str:
    """The code of a view."""
    raw = laid_out(view)
    try:
        compile(raw, view.template, "exec")
    except SyntaxError as error:
        raise BrokenCode(raw) from error
    return wrapped(raw)
