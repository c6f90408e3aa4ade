"""Helpers: functions and classes that torch lacks, which generated code contains if it uses them.

Each is a file of plain Python in templates/helpers, named after its definition. It imports other helpers that
it uses, which generated code then contains, too.
"""

from __future__ import annotations

import ast
from functools import cache

from netdsl.base.resources import TEMPLATES

_FOLDER = TEMPLATES / "helpers"

# In the order in which generated code has them: functions, then classes.
HELPERS: tuple[str, ...] = tuple(
    sorted((path.stem for path in _FOLDER.glob("*.py")), key=lambda name: (name[0].isupper(), name))
)


def carried(code: str) -> list[str]:
    """The definitions of the helpers that the code uses, and of those that they use."""
    used: set[str] = set()
    _add(code, used)
    return [_definition(name) for name in HELPERS if name in used]


def names_in(code: str) -> set[str]:
    """The names that the code reads or assigns."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _add(code: str, used: set[str]) -> None:
    for name in names_in(code).intersection(HELPERS) - used:
        used.add(name)
        _add(_definition(name), used)


@cache
def _definition(name: str) -> str:
    """A helper without its imports: generated code has its own."""
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    definition = ast.parse(text).body[-1]
    return "\n".join(text.splitlines()[definition.lineno - 1 :])
