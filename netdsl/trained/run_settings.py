"""The settings that a run was trained with, as `run.json` and the checkpoint hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from netdsl.base.source import Source
from netdsl.compiler import STYLES, Compiled, Style, compile_network
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.images import RULES
from netdsl.syntax.net_files import recorded

NETWORK_FILE, RUN_FILE = "network.net", "run.json"

S = TypeVar("S", bound="RunSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """`settings` are the texts of `--set` and `--input`, `overrides` those of the recipe's options, `used`
    the texts of used files by their path from the network's file, `data` is the data set's fingerprint,
    `rules` are those by which it is read (`runtime.images.RULES`).
    """

    style: Style
    settings: dict[str, str]
    overrides: dict[str, str]
    used: dict[str, str]
    data: str
    rules: int

    @classmethod
    def read(cls: type[S], facts: Mapping[str, object], place: str) -> S:
        """Reads the fields from a file, which may come from anywhere: each is checked. Raises RunError, which
        names `place`.
        """
        values: dict[str, Any] = {"used": {}, "data": "", "rules": 1, **facts}
        for field in fields(cls):
            if field.name not in values:
                raise damaged(place, f"`{field.name}` is missing")
            if not _has_type(values[field.name], str(field.type)):
                raise damaged(place, f"`{field.name}` is invalid")
        values["style"] = require_style(values["style"])
        if values["rules"] not in range(1, RULES + 1):
            raise RunError(f"{place} is of a later version of netdsl", "install that version")
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def compiled(self, text: str, overrides: Mapping[str, str]) -> Compiled:
        """Compiles the run's network from its text, with further overrides of its recipe.

        The network's name and code are never read from the run, which may come from anywhere.
        """
        source = Source(NETWORK_FILE, text)
        recipe = {**self.overrides, **overrides}
        return compile_network(source, self.settings, recipe, recorded(self.used, "run"))


def require_style(name: str) -> Style:
    """The style of that name. Raises RunError if there is none."""
    if name not in STYLES:
        raise RunError(f"there is no style `{name}`", f"use one of {', '.join(STYLES)}")
    return name


def _has_type(value: object, annotation: str) -> bool:
    match annotation:
        case "int":
            return type(value) is int
        case "str" | "Style":
            return isinstance(value, str)
        case "str | None":
            return value is None or isinstance(value, str)
        case "dict[str, str]":
            return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
        case _:
            return isinstance(value, list if annotation.startswith("list") else dict)
