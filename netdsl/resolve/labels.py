"""Labels of steps, sections and stages, which become attributes of torch modules."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from itertools import count

from netdsl.base.source import Span
from netdsl.diagnostics import Diagnostics, Edit, Fix, Label
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES
from netdsl.syntax import nodes

# Attributes of torch modules, and names in generated code.
_RESERVED = MODULE_ATTRIBUTES | {"self", "x"}
_STAGE = re.compile(r"stage\d+")


class Labels:
    """The labels of one file. `steps` are the operations or blocks that have each; `of_sections` are those of
    the sections, which are one class in generated code.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self.steps: dict[str, set[str]] = {}
        self.of_sections: dict[str, Span] = {}

    def of_part(self, label: nodes.Word) -> str:
        """The label of a section or stage, which no step of a section has too."""
        self._check(label, self.of_sections)
        return label.text

    def define(self, label: nodes.Word, known: dict[str, Span], step: str) -> None:
        """Defines the label of a step; `known` are those of its block or sections."""
        self._check(label, known)
        self.steps.setdefault(label.text, set()).add(step)

    def _check(self, label: nodes.Word, known: dict[str, Span]) -> None:
        name = label.text
        if keyword.iskeyword(name) or name in _RESERVED or name.startswith("_") or _STAGE.fullmatch(name):
            message = f"`{name}` is reserved in Python, torch or generated code"
            other = f"{name.strip('_')}_1"
            help = Fix(f"choose another label, as `{other}`", (Edit(label.span, other),))
            self._diagnostics.error("NET204", message, label.span, help=help)
        first = known.setdefault(name, label.span)
        if first is not label.span:
            free = _free(name, known)
            help = Fix(f"rename one, as `{free}`", (Edit(label.span, free),))
            also = [Label(first, "first here")]
            self._diagnostics.error("NET202", f"duplicate label `{name}`", label.span, also=also, help=help)


def _free(label: str, taken: Mapping[str, Span]) -> str:
    """The label with the next free number."""
    stem, number = label.rstrip("0123456789"), label[len(label.rstrip("0123456789")) :]
    return next(f"{stem}{n}" for n in count(int(number[:9] or 1) + 1) if f"{stem}{n}" not in taken)
