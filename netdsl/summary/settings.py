"""The differences between two networks in their outputs, initialisation and recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

from netdsl.base.values import show
from netdsl.ir.resolved import Init, ResolvedNetwork, Rule
from netdsl.language.argument_types import schema
from netdsl.language.recipe import Recipe
from netdsl.language.recipe_text import recipe_text
from netdsl.summary.changes import Change


def compare_settings(before: ResolvedNetwork, after: ResolvedNetwork) -> list[Change]:
    """The differences of `output`, `init` and `train` that have an effect."""
    return [
        *_changes("output", _outputs(before), _outputs(after)),
        *_changes("init", _rules(before.init), _rules(after.init)),
        *_changes("train", _keys(before.recipe, after.recipe), _keys(after.recipe, before.recipe)),
    ]


def _changes(place: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield Change((place,), key, before.get(key), after.get(key))


def _outputs(network: ResolvedNetwork) -> dict[str, str]:
    """The outputs by their places: `logits`, `aux when training`."""
    return {
        str(number): f"{output.name} when training" if output.in_training_only else output.name
        for number, output in enumerate(network.outputs, 1)
    }


def _rules(init: Init) -> dict[str, str]:
    return {"base": init.base, **{key: _rule(rule) for key, rule in (*init.kinds, *init.labels)}}


def _rule(rule: Rule) -> str:
    given = ", ".join(
        f"{name}={value if isinstance(value, str) else show(value)}" for name, value in rule.arguments
    )
    return f"{rule.function}({given})" if given else rule.function


def _keys(recipe: Recipe, other: Recipe) -> dict[str, str]:
    """The keys of a recipe; nested ones such as `optimizer.lr` if both have the same optimizer."""
    keys: dict[str, str] = {}
    for f in fields(recipe):
        value: Any = getattr(recipe, f.name)
        if type(value) is type(getattr(other, f.name)) and is_dataclass(value) and fields(value):
            keys |= {
                f"{f.name}.{inner.name}": recipe_text(getattr(value, inner.name))
                for inner in schema(cast(type, type(value)))
            }
        else:
            keys[f.name] = recipe_text(value)
    return keys
