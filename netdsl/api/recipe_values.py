"""Values of a recipe from Python, as text of the language, in which runs keep them."""

from __future__ import annotations

from dataclasses import fields
from os import PathLike, fspath
from typing import Any

from netdsl.language.recipe import Folder, Recipe
from netdsl.language.recipe_text import option_text, recipe_text


def recipe_overrides(before: Recipe, recipe: Recipe | None) -> dict[str, str]:
    """The keys of a recipe that differ from those of the file, as text."""
    keys: dict[str, Any] = {f.name: getattr(recipe or before, f.name) for f in fields(before)}
    return {key: recipe_text(value) for key, value in keys.items() if value != getattr(before, key)}


def recipe_value(key: str, value: object) -> str:
    """A recipe's value as text; one that is not a text is one of Python."""
    if isinstance(value, PathLike):
        value = Folder(fspath(value))
    if isinstance(value, str):
        return option_text(key, value)
    return recipe_text(tuple(value) if isinstance(value, list) else value)
