"""The documentation of each code of an error: its cause, a wrong example and the right one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics import Diagnostic
from netdsl.diagnostics.rules import RULES, rule

# By the first digit of a code.
FAMILIES = {
    "1": "Syntax",
    "2": "Names",
    "3": "Arguments",
    "4": "Shapes",
    "5": "Recipe and data",
    "6": "Budgets",
    "7": "Warnings",
}

_TEXT = re.compile(r"# (NET\d+): ([^\n]*)\n(.*?)(?:\n## Wrong\n(.*?)\n## Right\n(.*))?", re.DOTALL)
_FENCED = re.compile(r"^```net *(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ErrorDoc:
    """Of one code. `cause`, `wrong` and `right` are Markdown; an example that has a name is a used file.

    An error that occurs only when a network runs may have no examples.
    """

    code: str
    title: str
    cause: str
    wrong: str
    right: str

    @property
    def slugs(self) -> tuple[str, ...]:
        """Those of its rules: several where unrelated mistakes share the code."""
        return tuple(rule.slug for rule in RULES if rule.code == self.code)

    @property
    def family(self) -> str:
        return FAMILIES[self.code[3]]

    @property
    def emitted(self) -> tuple[Diagnostic, ...]:
        """The diagnostics of the wrong example with this code."""
        found = diagnose(self.wrong) if self.wrong else ()
        return tuple(diagnostic for diagnostic in found if diagnostic.code == self.code)


def codes() -> list[str]:
    return list(dict.fromkeys(rule.code for rule in RULES))


def error_doc(code: str) -> ErrorDoc:
    """The documentation of an existing code."""
    found = _TEXT.fullmatch(rule(code).docs.read_text(encoding="utf-8"))
    assert found, f"the text of {code} has not the form of the others"
    return ErrorDoc(*(part.strip() for part in found.groups("")))


def diagnose(example: str) -> tuple[Diagnostic, ...]:
    """The diagnostics of the network in a section, `wrong` or `right`, of a text."""
    files: dict[str, str] = dict(_FENCED.findall(example))
    return compile_network(Source("example.net", files[""]), read=files.__getitem__).diagnostics
