"""The plan of an experiment, `plan.json`: written at its start, so that it can continue without its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netdsl.base.source import Source
from netdsl.base.typed_json import Text
from netdsl.compiler import Compiled, Style, compile_network
from netdsl.network import CompiledNetwork
from netdsl.runtime.errors import RunError, damaged
from netdsl.runtime.images import Rules
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.speed_choices import SPEED_CHOICES
from netdsl.runtime.storage import read_json, write_json
from netdsl.syntax.net_files import recorded

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of an experiment, under a unique name, and the seeds that it is trained with.

    `settings` are the texts of `--set` and `--input`, `overrides` those of the recipe's options, `used` the
    texts of the files that it uses.
    """

    name: str
    file: str
    text: Text
    used: dict[str, Text]
    settings: dict[str, str]
    overrides: dict[str, str]
    seeds: list[int]

    @staticmethod
    def of(name: str, compiled: Compiled, overrides: Mapping[str, str], seeds: int) -> Entry:
        """The entry of a compiled network; its `seeds` seeds count from its recipe's."""
        first = CompiledNetwork(compiled).recipe.seed
        source = compiled.source
        numbers = list(range(first, first + seeds))
        return Entry(
            name,
            source.name,
            source.text,
            dict(compiled.used),
            dict(compiled.settings),
            dict(overrides),
            numbers,
        )

    def overridden(self, seed: int) -> dict[str, str]:
        """The overrides of the recipe for one run."""
        return {**self.overrides, "seed": str(seed)}

    def compiled(self, seed: int) -> Compiled:
        """The network of one run, compiled from the texts in the plan."""
        source = Source(self.file, self.text)
        return compile_network(source, self.settings, self.overridden(seed), recorded(self.used, "plan"))

    def folder(self, seed: int) -> str:
        """The name of a run's folder inside that of the experiment."""
        return f"{self.name}-seed{seed}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The networks of an experiment, the style of their code, how they are computed, and the `RULES` by which
    their data are read.
    """

    style: Style
    request: SpeedRequest
    entries: list[Entry]
    rules: Rules = 1

    def runs(self) -> Iterator[tuple[Entry, int]]:
        """Each network with each of its seeds, in the order of their training."""
        for entry in self.entries:
            for seed in entry.seeds:
                yield entry, seed

    def write(self, folder: Path) -> None:
        """Raises RunError if the folder can't be written."""
        write_json(folder / PLAN, asdict(self))

    @staticmethod
    def read(folder: Path) -> Plan:
        """The plan of an experiment, with all of its values checked. Raises RunError."""
        help = "restore it, or start the experiment again"
        plan = read_json(folder / PLAN, Plan, help)
        if plan is None:
            raise RunError(f"there is no {folder / PLAN}", help)
        for name, choices in SPEED_CHOICES.items():
            if getattr(plan.request, name) not in choices:
                raise damaged(folder / PLAN, f"`request.{name}` is invalid", help)
        for entry in plan.entries:
            # It becomes a folder's name.
            if Path(entry.name).name != entry.name or "\0" in entry.name or not entry.seeds:
                raise damaged(folder / PLAN, "an entry is invalid", help)
        return plan


def entries(networks: Sequence[Compiled], overrides: Mapping[str, str], seeds: int) -> list[Entry]:
    """The entries of networks, each with `seeds` seeds; duplicate names are numbered (a, b, a-2)."""
    names = [CompiledNetwork(compiled).name for compiled in networks]
    numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [
        Entry.of(name if number == 1 else f"{name}-{number}", compiled, overrides, seeds)
        for name, number, compiled in zip(names, numbers, networks, strict=True)
    ]
