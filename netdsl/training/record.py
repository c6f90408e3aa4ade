"""The record of a run, in `run.json` and in its checkpoint.

It holds everything that decides the result: the text of the network and of the files that it uses, the
settings and overrides of the command line, the resolved recipe, the generated code, the data's
fingerprint, and the versions of Python and of the packages.
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

from netdsl.base.typed_json import Text, typed
from netdsl.compiler import Compiled, Style
from netdsl.language.recipe import Recipe
from netdsl.language.recipe_text import WORDS
from netdsl.network import CompiledNetwork
from netdsl.runtime.errors import damaged
from netdsl.runtime.images import RULES, Rules
from netdsl.trained.initial_weights import InitialWeights
from netdsl.trained.run_settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(RunSettings):
    """All that a run was made of. `id` identifies the run; `commit` is the one that is checked out in the
    repository of the network's file, if there is one; `changes` are those made when it was resumed;
    `initial` are the weights that it began with, if the recipe names some.
    """

    id: str
    network: str
    recipe: dict[str, object]
    text: Text
    code: str
    versions: dict[str, str]
    commit: str | None
    changes: list[str]
    initial: InitialWeights | None = None

    @staticmethod
    def of_checkpoint(facts: Mapping[str, object], place: Path) -> Record:
        """The record in a checkpoint, which may come from anywhere. Raises RunError, which names `place`."""
        try:
            return typed(Record, facts, "record")
        except ValueError as error:
            raise damaged(place, str(error)) from error

    @staticmethod
    def of(
        compiled: Compiled,
        style: Style,
        overrides: Mapping[str, str],
        data: str,
        rules: Rules = RULES,
        initial: InitialWeights | None = None,
    ) -> Record:
        """The record of a new run."""
        network = CompiledNetwork(compiled)
        path = compiled.source.name.replace("\\", "/")
        start = posixpath.dirname(posixpath.normpath(path)) or "."
        return Record(
            id=secrets.token_hex(8),
            network=network.name,
            style=style,
            settings=dict(compiled.settings),
            overrides=dict(overrides),
            recipe=recipe_record(network.recipe),
            used={posixpath.relpath(used, start): text for used, text in compiled.used.items()},
            text=compiled.source.text,
            code=network.source(style),
            data=data,
            rules=rules,
            versions=_versions(),
            commit=_commit(Path(compiled.source.name).parent),
            changes=[],
            initial=initial,
        )

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def recipe_record(recipe: Recipe) -> dict[str, object]:
    """The resolved recipe, with the names of choices: `{"optimizer": {"sgd": {"lr": 0.01, …}}}`."""

    def worded(value: object) -> object:
        return {WORDS[type(value)]: asdict(value)} if type(value) in WORDS else value  # type: ignore[call-overload]

    values = {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}
    return {
        name: [worded(item) for item in value] if isinstance(value, tuple) else worded(value)
        for name, value in values.items()
    }


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("netdsl", "torch", "torchvision")}
    return {"python": platform.python_version(), **packages}


def _commit(folder: Path) -> str | None:
    """The commit that is checked out in a folder; None if it is not in a repository."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
