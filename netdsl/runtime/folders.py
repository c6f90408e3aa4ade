"""Folders of data sets: their entries, and the names of folders for training, validation and test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from netdsl.runtime.errors import RunError

Part: TypeAlias = Literal["train", "val", "test"]
# What the parts are for, in messages.
PURPOSES: dict[Part, str] = {"train": "training", "val": "validation", "test": "test"}
_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def part_named(name: str) -> Part | None:
    """The part of a data set that a folder or file of this name has; case is ignored."""
    return _NAMES.get(name.lower())


@dataclass(frozen=True, slots=True)
class Walk:
    """Lists folders of one kind of data, as `--data` names it; `layout` says which files are expected.

    Each method raises RunError, with the layout as its help, if a folder can't be read.
    """

    kind: str
    layout: str

    def entries(self, folder: Path) -> list[Path]:
        """The entries of a folder, sorted by name, except hidden ones and those of macOS in archives."""
        try:
            found = sorted(folder.iterdir())
        except (OSError, ValueError) as error:  # ValueError: a zero byte
            help = self.layout
            if isinstance(error, FileNotFoundError):
                help = f"give the path where the images are, `--data {self.kind}:PATH`: {help}"
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"cannot read the folder {folder}: {reason}", help) from error
        return [entry for entry in found if not entry.name.startswith(".") and entry.name != "__MACOSX"]

    def folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, without the runs of trainings that were started in it."""
        folders = [entry for entry in self.entries(folder) if os.path.isdir(entry)]
        return [each for each in folders if each.name != "runs" or not any(each.glob("*/run.json"))]

    def files(self, folder: Path) -> Iterator[Path]:
        """All files below a folder; links to folders above them are not followed."""
        pending: list[tuple[Path, tuple[Path, ...]]] = [(folder, ())]
        while pending:
            folder, above = pending.pop()
            real = Path(os.path.realpath(folder))
            if any(real in (path, *path.parents) for path in above):
                continue
            for entry in self.entries(folder):
                if os.path.isdir(entry):
                    pending.append((entry, (*above, real)))
                else:
                    yield entry
