"""Stamps of files, by which a change is noticed without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

# Modification time, size and inode of a file; None if it can't be read.
Stamp: TypeAlias = tuple[int, int, int] | None


def stamp(path: Path) -> Stamp:
    """The current stamp of a file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def stamps_of(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """The current stamps of files."""
    return {path: stamp(path) for path in paths}
