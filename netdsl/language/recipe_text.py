"""Values of a recipe as text of the language: the inverse of reading them."""

from __future__ import annotations

from dataclasses import MISSING
from fractions import Fraction
from typing import Any, cast

from netdsl.base.values import show
from netdsl.language.argument_types import schema
from netdsl.language.recipe import CHOICES

# The words of choices by their classes.
WORDS = {choice: word for choices in CHOICES.values() for word, choice in choices.items()}
# Kinds of data with a path, which may be written `folder:PATH`.
_WITH_PATH = ("folder", "boxes")


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
    if isinstance(value, tuple) and all(type(item) in WORDS for item in value):
        return ", ".join(map(recipe_text, value)) or "none"
    if value is None:
        return "not given"
    return show(Fraction(repr(value)) if isinstance(value, float) else value)


def data_text(data: str) -> str:
    """The value of `data` for `folder:PATH` or `boxes:PATH`: `folder("PATH")`; other texts are returned as
    they are. Raises ValueError for another kind before the colon, or a path that can't be quoted.
    """
    kind, colon, path = data.partition(":")
    if not colon or "(" in kind:
        return data
    if kind not in _WITH_PATH or not path:
        raise ValueError("cifar10, cifar100, digits, scenes, folder:PATH or boxes:PATH")
    if '"' in path or "\n" in path:
        raise ValueError(f"{path} has a quote or a line break: rename the folder")
    return f'{kind}("{path}")'
