"""Paths that users give."""

from __future__ import annotations

import os
from pathlib import Path


def real(path: str | Path) -> Path:
    """The absolute path without links and `..`. Links in a circle stay; `Path.resolve` raises there."""
    return Path(os.path.realpath(path))
