"""What a run remembers of itself, in `run.json` and in its checkpoint.

It holds all that decides the result: the text of the network and of the files that it uses, the settings
and overrides of the command line, the resolved recipe, the generated code, the data's fingerprint, and
the versions of what computed it.
"""

from __future__ import annotations

import platform
import posixpath
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from netdsl.api import Network
from netdsl.base.source import Source
from netdsl.compiler import Compiled, Style, compile_network
from netdsl.language.recipe import CHOICES, Recipe
from netdsl.runtime.errors import RunError
from netdsl.syntax.net_files import recorded
from netdsl.trained.open_run import NETWORK_FILE, require_style


@dataclass(frozen=True, slots=True)
class Record:
    """`id` tells a run from all others. `settings` are the texts of `--set` and `--input`, `overrides`
    those of the recipe's options, `used` the texts of used files by their path from the network's.
    `commit` is that of the repository in which the network's file lies, where there is one. `changes`
    says what a resumed run changed.
    """

    id: str
    network: str
    style: Style
    settings: dict[str, str]
    overrides: dict[str, str]
    recipe: dict[str, object]
    used: dict[str, str]
    text: str
    code: str
    data: str
    versions: dict[str, str]
    commit: str | None
    changes: list[str]

    @staticmethod
    def of(
        compiled: Compiled,
        style: Style,
        settings: Mapping[str, str],
        overrides: Mapping[str, str],
        data: str,
    ) -> Record:
        """The record of a run that begins; `data` is the data set's fingerprint."""
        network = Network(compiled)
        path = compiled.source.name.replace("\\", "/")
        start = posixpath.dirname(posixpath.normpath(path)) or "."
        return Record(
            id=secrets.token_hex(8),
            network=network.name,
            style=style,
            settings=dict(settings),
            overrides=dict(overrides),
            recipe=recipe_record(network.recipe),
            used={posixpath.relpath(used, start): text for used, text in compiled.used.items()},
            text=compiled.source.text,
            code=network.source(style),
            data=data,
            versions=_versions(),
            commit=_commit(Path(compiled.source.name).parent),
            changes=[],
        )

    @staticmethod
    def read(facts: Mapping[str, object], place: str) -> Record:
        """A record that a file holds; everything in it is checked. Raises RunError, which names `place`."""
        try:
            values: Any = {name: facts[name] for name in Record.__slots__}
        except KeyError as error:
            raise RunError(f"{place} lacks {error}: it is damaged, or of another version", _AGAIN) from error
        texts = {name: values[name] for name in ("id", "network", "text", "code", "data")}
        tables = {name: values[name] for name in ("settings", "overrides", "used", "versions")}
        sound = all(isinstance(text, str) for text in texts.values())
        sound &= all(
            isinstance(t, dict) and all(isinstance(v, str) for v in t.values()) for t in tables.values()
        )
        sound &= isinstance(values["recipe"], dict) and isinstance(values["changes"], list)
        if not sound:
            raise RunError(f"{place} is damaged", _AGAIN)
        return Record(**(values | {"style": require_style(str(values["style"]))}))

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    def compiled(self, overrides: Mapping[str, str]) -> Compiled:
        """The network, compiled anew from its text, with further overrides of its recipe.

        Its name and its code are to be taken from there: a record may come from anywhere.
        """
        source = Source(NETWORK_FILE, self.text)
        return compile_network(
            source, self.settings, {**self.overrides, **overrides}, recorded(self.used, "run")
        )


_AGAIN = "restore it from a copy, or train again"


def recipe_record(recipe: Recipe) -> dict[str, object]:
    """The resolved recipe, each choice with its word: `{"optimizer": {"sgd": {"lr": 0.01, …}}}`."""
    words = {cls: word for choices in CHOICES.values() for word, cls in choices.items()}

    def worded(value: object) -> object:
        return {words[type(value)]: asdict(value)} if type(value) in words else value  # type: ignore[call-overload]

    values = {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}
    return {
        name: [worded(item) for item in value] if isinstance(value, tuple) else worded(value)
        for name, value in values.items()
    }


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("netdsl", "torch", "torchvision")}
    return {"python": platform.python_version(), **packages}


def _commit(folder: Path) -> str | None:
    """The commit that is checked out where the network's file lies."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
