"""The settings that a run was trained with, as `run.json` and the checkpoint hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netdsl.base.source import Source
from netdsl.base.typed_json import Text
from netdsl.compiler import STYLES, Compiled, Style, compile_network
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import Rules
from netdsl.syntax.net_files import recorded

NETWORK_FILE, RUN_FILE = "network.net", "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """`settings` are the texts of `--set` and `--input`, `overrides` those of the recipe's options, `used`
    the texts of used files by their path from the network's file, `data` is the data set's fingerprint,
    `rules` are those by which it is read (`runtime.images.RULES`).
    """

    style: Style
    settings: dict[str, str]
    overrides: dict[str, str]
    used: dict[str, Text] = field(default_factory=dict)
    data: str = ""
    rules: Rules = 1

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
