"""The pages of the reference that are made from the declarations of the language."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field
from typing import Any

from docs.site.names import homes
from netdsl.base.values import show
from netdsl.language.argument_types import Flag, schema, usage
from netdsl.language.argument_types import expected as values_of
from netdsl.language.detectors import DETECTORS
from netdsl.language.expressions import constant
from netdsl.language.init_rules import RULES
from netdsl.language.recipe import CHOICES, KEYS, key_type
from netdsl.language.words import (
    CONDITIONAL,
    CONTINUATIONS,
    FUNCTIONS,
    IN,
    INIT_BASES,
    INIT_KEYS,
    LITERALS,
    QUANTITIES,
    STAGE_NAMES,
    STATEMENTS,
    STEPS,
    TRAINING,
    UNIT,
    Keyword,
)
from netdsl.ops import OPERATIONS, Operation

# What operations of a module are called: the headings of the page.
FAMILIES = {
    "conv": "Convolutions",
    "linear": "Linear layers and vectors",
    "norm": "Norms",
    "activation": "Activations",
    "pool": "Pools",
    "attention": "Attention",
    "token": "Tokens and positions",
    "regularise": "Regularisation",
    "scale": "Scales",
    "rearrange": "Rearrangement",
}


def operations() -> str:
    """All operations by family, with their arguments and torch modules."""
    parts = [
        "# Operations\n",
        "Every operation with its arguments, from the declarations in `netdsl/ops`. "
        "[The language](../language.md#operations) has them on one screen.\n",
    ]
    for family, title in FAMILIES.items():
        parts.append(f"## {title}\n")
        parts += [_operation(op) for op in OPERATIONS.values() if op.__module__.endswith(f".{family}")]
    return "\n".join(parts)


def _operation(operation: type[Operation]) -> str:
    module = getattr(operation, "module_call", "").partition("(")[0]
    name = operation.name
    torch = f" In the style `module` it is `{module}`." if module.startswith("nn.") else ""
    return f"{_declared(name, operation, torch)}"


def recipe() -> str:
    """The keys of `train`, and the values of those that take a choice."""
    parts = [
        "# Recipe\n",
        "The keys of `train { … }`, from the declarations in `netdsl/language/recipe.py`. "
        "On the command line each is an option: `--epochs 20`, `--optimizer.lr 0.05`. "
        "[The language](../language.md#the-recipe) has an example.\n",
        "| key | meaning | values |\n| --- | --- | --- |",
        *(f"| [`{key}`](#{key}) | {KEYS[key]} | {_values(key)} |" for key in KEYS),
        "",
    ]
    for key in KEYS:
        parts.append(f"## `{key}` {{ #{key} }}\n\n{KEYS[key]}\n")
        if key in CHOICES:
            parts += [_declared(name, cls) for name, cls in CHOICES[key].items()]
        else:
            parts.append(f"Takes {_values(key)}.\n")
    return "\n".join(parts)


def _values(key: str) -> str:
    taken = key_type(key)
    return values_of(taken) if taken is not None else ", ".join(f"`{name}`" for name in CHOICES[key])


def words() -> str:
    """All words of the language."""
    groups: Mapping[str, Mapping[str, Keyword | str]] = {
        "Statements": STATEMENTS,
        "Steps": {**STEPS, **CONTINUATIONS, "unit": UNIT},
        "Names": {"in": IN, **STAGE_NAMES, "training": TRAINING},
        "Values and functions": {**LITERALS, "if": CONDITIONAL, **FUNCTIONS},
        "Quantities of `expect`": QUANTITIES,
        "Keys of `init`": {**INIT_BASES, **INIT_KEYS},
    }
    parts = ["# Words\n", "Every word of the language in a line, as editors show it.\n"]
    for title, members in groups.items():
        parts.append(f"## {title}\n\n| word | usage | |\n| --- | --- | --- |")
        for word, keyword in members.items():
            used, text = keyword if isinstance(keyword, Keyword) else (word, keyword)
            parts.append(f"| `{word}` | `{_cell(used)}` | {_cell(text)} |")
        parts.append("")
    parts.append("## Rules of `init`\n")
    parts += [_declared(name, cls) for name, cls in RULES.items()]
    parts.append("## Kinds of `detect`\n")
    parts += [_declared(name, cls) for name, cls in DETECTORS.items()]
    return "\n".join(parts)


def _declared(name: str, cls: type, more: str = "") -> str:
    """A dataclass of arguments: its usage, documentation, and a row for each argument."""
    text = f"{' '.join(_documentation(cls))}{more}"
    rows = [_argument(field) for field in schema(cls)]
    table = (
        "\n| argument | values | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n" if rows else ""
    )
    return f"### `{name}` {{ #{name} }}\n\n```net\n{usage(name, cls)}\n```\n\n{text}\n{table}"


def _documentation(cls: type) -> Iterable[str]:
    return (line.strip() for line in (inspect.getdoc(cls) or "").splitlines())


def _argument(field: Field[Any]) -> str:
    kind = field.metadata["type"]
    taken = "`yes` or `no`" if isinstance(kind, Flag) else values_of(kind)
    default = "required" if field.default is MISSING else f"`{show(constant(field.default).value)}`"
    by_name = ", by name" if field.kw_only else ""
    return f"| `{field.name}`{by_name} | {_cell(taken)} | {default} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def python() -> str:
    """The public names of the package, from their docstrings."""
    parts = ["# Python\n", "The public names of `netdsl`, and of `netdsl.inspect`.\n"]
    parts += [_documented("netdsl", path) for path in homes("netdsl/__init__.py")]
    parts.append("## `netdsl.inspect`\n")
    parts += [_documented("netdsl.inspect", path, level=3) for path in homes("netdsl/inspect/__init__.py")]
    return "\n".join(parts)


def _documented(package: str, path: str, level: int = 2) -> str:
    """A name under which users import it, documented where it is defined."""
    heading = f"{package}.{path.rpartition('.')[2]}"
    options = {"heading": heading, "toc_label": heading, "heading_level": level}
    return f"::: {path}\n    options:\n" + "".join(
        f"      {key}: {value}\n" for key, value in options.items()
    )
