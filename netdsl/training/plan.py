"""The plan of an experiment, `plan.json`: written at its start, so that it can continue without its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netdsl.api import Network
from netdsl.base.source import Source
from netdsl.compiler import Compiled, Style, compile_network
from netdsl.runtime.errors import damaged
from netdsl.runtime.images import RULES
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.storage import read_json, write_json
from netdsl.syntax.net_files import recorded
from netdsl.trained.run_settings import require_style

PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of an experiment, under a unique name, and the seeds that it is trained with.

    `settings` are the texts of `--set` and `--input`, `overrides` those of the recipe's options, `used` the
    texts of the files that it uses.
    """

    name: str
    file: str
    text: str
    used: dict[str, str]
    settings: dict[str, str]
    overrides: dict[str, str]
    seeds: list[int]

    @staticmethod
    def of(
        name: str, compiled: Compiled, settings: Mapping[str, str], overrides: Mapping[str, str], seeds: int
    ) -> Entry:
        """The entry of a compiled network; its `seeds` seeds count from its recipe's."""
        first = Network(compiled).recipe.seed
        source = compiled.source
        numbers = list(range(first, first + seeds))
        return Entry(
            name, source.name, source.text, dict(compiled.used), dict(settings), dict(overrides), numbers
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
    rules: int = RULES

    def runs(self) -> Iterator[tuple[Entry, int]]:
        """Each network with each of its seeds, in the order of their training."""
        for entry in self.entries:
            for seed in entry.seeds:
                yield entry, seed

    def write(self, folder: Path) -> None:
        """Raises RunError if the folder can't be written."""
        plan = {
            "style": self.style,
            "wishes": asdict(self.request),
            "rules": self.rules,
            "entries": [asdict(entry) for entry in self.entries],
        }
        write_json(folder / PLAN, plan)

    @staticmethod
    def read(folder: Path) -> Plan:
        """The plan of an experiment, with all of its values checked. Raises RunError."""
        path = folder / PLAN
        values: Any = read_json(path)
        try:
            entries = [Entry(**entry) for entry in values["entries"]]
            if not all(_sound(entry) for entry in entries):
                raise ValueError
            request, rules = SpeedRequest(**values["wishes"]), values.get("rules", 1)
            if rules not in range(1, RULES + 1):
                raise ValueError
            return Plan(require_style(str(values["style"])), request, entries, rules)
        except (ValueError, TypeError, KeyError) as error:
            raise damaged(path, help="restore it, or start the experiment again") from error


def entries(
    networks: Sequence[Compiled], settings: Mapping[str, str], overrides: Mapping[str, str], seeds: int
) -> list[Entry]:
    """The entries of networks, each with `seeds` seeds; duplicate names are numbered (a, b, a-2)."""
    names = [Network(compiled).name for compiled in networks]
    numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [
        Entry.of(name if number == 1 else f"{name}-{number}", compiled, settings, overrides, seeds)
        for name, number, compiled in zip(names, numbers, networks, strict=True)
    ]


def _sound(entry: Entry) -> bool:
    texts = [entry.name, entry.file, entry.text]
    for table in (entry.used, entry.settings, entry.overrides):
        texts += [*table, *table.values()]
    # A name becomes a folder's name, and must not contain a path.
    whole = all(isinstance(text, str) for text in texts) and Path(entry.name).name == entry.name
    return whole and bool(entry.seeds) and all(isinstance(seed, int) for seed in entry.seeds)
