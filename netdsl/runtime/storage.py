"""Files that are whole or absent, and the folder of the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from netdsl.base import atomic
from netdsl.runtime.errors import RunError


def write_atomic(path: Path, content: bytes) -> None:
    """`netdsl.base.atomic.write`. Raises RunError where the file can't be written."""
    try:
        atomic.write(path, content)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"cannot write {path}: {reason}", "choose another folder") from error


def cache_folder() -> Path:
    """`$NETDSL_CACHE`, else the platform's folder for caches; not created here."""
    if given := os.environ.get("NETDSL_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "netdsl"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "netdsl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netdsl"
