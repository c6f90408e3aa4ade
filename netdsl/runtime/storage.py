"""Files that are whole or absent, and the folder of the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from netdsl.runtime.errors import RunError


def write_atomic(path: Path, content: bytes) -> None:
    """Writes the file beside its place and moves it there, so that no reader sees a part of it.

    Raises RunError where the file can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
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
