"""Files of runs, which are written whole or not at all, and the cache folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from netdsl.base import atomic
from netdsl.runtime.errors import RunError, damaged


def write_atomic(path: Path, content: bytes) -> None:
    """`netdsl.base.atomic.write`. Raises RunError if the file can't be written."""
    try:
        atomic.write(path, content)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"cannot write {path}: {reason}", "choose another folder") from error


def write_json(path: Path, value: object) -> None:
    """Writes a value as indented JSON. Raises RunError."""
    write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file is missing. Raises RunError if it is damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error}") from error
    except ValueError as error:  # also if it is not UTF-8
        raise damaged(path, "it is not JSON") from error
    if not isinstance(values, dict):
        raise damaged(path, "it is not an object")
    return values


def cache_folder() -> Path:
    """`$NETDSL_CACHE`, else the platform's cache folder; not created here."""
    if given := os.environ.get("NETDSL_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "netdsl"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "netdsl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netdsl"
