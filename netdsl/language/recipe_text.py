"""Values of a recipe as text of the language: the inverse of reading them."""

from __future__ import annotations

from dataclasses import MISSING
from fractions import Fraction
from typing import Any, cast

from netdsl.base.values import show
from netdsl.language.argument_types import Maybe, Names, Path, schema, signature
from netdsl.language.recipe import CHOICES, KEYS, key_type

# The words of choices by their classes.
WORDS = {choice: word for choices in CHOICES.values() for word, choice in choices.items()}
# Kinds of data with a path, which may be written `folder:PATH`.
_WITH_PATH = tuple(
    word for word, kind in CHOICES["data"].items() if any(isinstance(p.type, Path) for p in signature(kind))
)


def recipe_text(value: Any) -> str:
    """A value of a recipe as in a `.net` file: `sgd(lr=0.1)`, `flip, crop(4)`, `yes`."""
    if type(value) in WORDS:
        given = [
            (
                recipe_text(getattr(value, f.name))
                if f.default is MISSING
                else f"{f.name}={recipe_text(getattr(value, f.name))}"
            )
            for f in schema(cast(type, type(value)))
            if f.default is MISSING or getattr(value, f.name) != f.default
        ]
        return WORDS[type(value)] + (f"({', '.join(given)})" if given else "")
    if isinstance(value, tuple) and all(type(item) in WORDS or isinstance(item, str) for item in value):
        return ", ".join(map(recipe_text, value)) or "none"
    if value is None:
        return "not given"
    return show(Fraction(repr(value)) if isinstance(value, float) else value)


def data_text(data: str) -> str:
    """The value of `data` for `folder:PATH`, `boxes:PATH` or `masks:PATH`: `folder("PATH")`; other texts are
    returned as they are. Raises ValueError for another kind before the colon, or a path that can't be quoted.
    """
    kind, colon, path = data.partition(":")
    if not colon or "(" in kind:
        return data
    if kind not in _WITH_PATH or not path:
        raise ValueError("cifar10, cifar100, digits, scenes, folder:PATH, boxes:PATH or masks:PATH")
    return f"{kind}({_quoted(path)})"


def option_text(key: str, text: str) -> str:
    """The value of a key for the text of its option, where paths are not in quotes: `weights runs/x`,
    `freeze stem,stage1.block2`, `data folder:images`. Raises ValueError if it can't be quoted.
    """
    if key == "data":
        return data_text(text)
    arg_type = key_type(key) if key in KEYS else None
    match arg_type.other if isinstance(arg_type, Maybe) else arg_type:
        case Path() if text != "none":
            return _quoted(text)
        case Names() if text != "none":
            return ", ".join(_quoted(part.strip()) for part in text.split(","))
    return text


def _quoted(path: str) -> str:
    path = path.strip('"')
    if '"' in path or "\n" in path:
        raise ValueError(f"{path} has a quote or a line break: rename it")
    return f'"{path}"'
