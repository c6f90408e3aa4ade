"""Views to text: Jinja lays out, `wrapped` breaks long lines, compile() checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from netdsl.codegen.environment import environment
from netdsl.codegen.helpers import carried, names_in
from netdsl.codegen.wrap import wrapped


@dataclass(frozen=True, slots=True)
class BrokenCode(Exception):
    """Generated code that isn't Python: a bug of netdsl, never of a `.net` file."""

    code: str


# The possible imports of generated code, in their order: of the standard library, then of torch.
_STANDARD = {"math": "import math", "OrderedDict": "from collections import OrderedDict"}
_IMPORTS = {
    "torch": "import torch",
    "F": "import torch.nn.functional as F",
    "Tensor": "from torch import Tensor",
    "nn": "from torch import nn",
}


def _imports(code: str) -> list[str]:
    """The imports that the code needs."""
    used = names_in(code)
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
    layout = environment().get_template(view.template)
    raw: str = layout.render(view=view, imports=())
    try:
        helpers = carried(raw)
        imports = _imports("\n".join((*helpers, raw)))
    except SyntaxError as error:
        raise BrokenCode(raw) from error
    return layout.render(view=view, imports=(*imports, *(f"\n\n{helper}" for helper in helpers)))


def render(view: View) -> str:
    """The code of a view."""
    code = wrapped(laid_out(view))
    try:
        compile(code, view.template, "exec")
    except SyntaxError as error:
        raise BrokenCode(code) from error
    return code
