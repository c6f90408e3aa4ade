"""Helpers: functions and classes that torch lacks, which generated code contains if it uses them.

Each is a file of plain Python in templates/helpers, named after its definition. It imports other helpers that
it uses, which generated code then contains, too. Attention is a Jinja template, as are the helpers of its
windows: generated code has of it what its calls need.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import product

from netdsl.base.named_tuple import NamedTuple
from netdsl.base.resources import TEMPLATES
from netdsl.codegen.environment import environment

_FOLDER = TEMPLATES / "helpers"
# The words of the name of an attention: how it compares, its bias or its windows.
_ATTENTION = re.compile(r"(cosine)?_?(relative|continuous|window)?_?attention")


def _attentions() -> Iterator[str]:
    for words in product(("", "cosine"), ("", "relative", "continuous", "window")):
        kind = [*filter(None, words), "attention"]
        yield "_".join(kind)
        yield "".join(map(str.capitalize, kind))


# In the order in which generated code has them: functions, then classes.
HELPERS: tuple[str, ...] = tuple(
    sorted(
        {*(path.name.partition(".")[0] for path in _FOLDER.glob("*.py*")), *_attentions()},
        key=lambda name: (name[0].isupper(), name),
    )
)


class Carried(NamedTuple):
    """The helpers that generated code has beside its own definitions, and the names in all of it."""

    definitions: tuple[str, ...]
    names: frozenset[str]


def carried(code: str) -> Carried:
    """The definitions of the helpers that the code uses, and of those that they use."""
    nodes = [*ast.walk(ast.parse(code))]  # once: large networks have half a million
    calls = (node for node in nodes if isinstance(node, ast.Call))
    own = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id in HELPERS)
    given = frozenset(keyword.arg for call in own for keyword in call.keywords if keyword.arg)
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    used: dict[str, str] = {}
    while missing := names.intersection(HELPERS) - used.keys():
        for name in missing:
            used[name] = _definition(name, given).rstrip()
            names |= _names(used[name])
    return Carried(tuple(used[name] for name in HELPERS if name in used), frozenset(names))


@cache
def _names(code: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))


@cache
def _definition(name: str, given: frozenset[str]) -> str:
    """A helper without its imports: generated code has its own."""
    path = _FOLDER / f"{name}.py"
    if not path.exists():
        return _rendered(name, given)
    text = path.read_text(encoding="utf-8")
    definition = ast.parse(text).body[-1]
    return "\n".join(text.splitlines()[definition.lineno - 1 :])


def _rendered(name: str, given: frozenset[str]) -> str:
    """A helper that is a template, for calls with the arguments `given`."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if (match := _ATTENTION.fullmatch(snake)) is None:
        return environment().get_template(f"helpers/{name}.py.j2").render(given=given)
    kind = match[2] or "none"
    return (
        environment()
        .get_template("helpers/attention.py.j2")
        .render(
            name=name,
            is_class=name[0].isupper(),
            cosine=bool(match[1]),
            bias="none" if kind == "window" else kind,
            windowed=kind != "none",
            given=given,
        )
    )
