"""Files of runs, which are written whole or not at all and read with their types, and the cache folder."""

from __future__ import annotations

import json
import os
import sys
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TypeVar

from netdsl.base import atomic
from netdsl.base.typed_json import parse, typed
from netdsl.runtime.errors import RunError, damaged

T = TypeVar("T")


def write_atomic(path: Path, content: bytes) -> None:
    """`netdsl.base.atomic.write`. Raises RunError if the file can't be written."""
    try:
        atomic.write(path, content)
    except OSError as error:
        raise RunError(str(error), after_a_failed_write(error)) from error


def after_a_failed_write(error: OSError) -> str:
    """The help for a file that can't be written."""
    is_full = error.errno in (ENOSPC, EDQUOT)
    return "free disk space, or choose another folder" if is_full else "choose another folder"


def write_json(path: Path, value: object) -> None:
    """Writes a value as indented JSON. Raises RunError."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_bytes(path: Path) -> bytes | None:
    """The content of a file; None if it is missing. Raises RunError if it can't be read, or is a pipe or a
    device, whose content may have no end.
    """
    try:
        if not path.is_file() and path.exists():
            raise RunError(f"cannot read {path}: it is not a regular file", "restore the file from a copy")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error


def read_text(path: Path) -> str | None:
    """The text of a UTF-8 file; None if the file is missing. Raises RunError as `read_bytes` does."""
    content = read_bytes(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not UTF-8 text") from error


def read_json(path: Path, kind: type[T], help: str = "") -> T | None:
    """The value in a JSON file, checked against its type (`typed_json`); None if the file is missing.

    Raises RunError with `help` if it is damaged.
    """
    content = read_bytes(path)
    try:
        return None if content is None else typed(kind, parse(content))
    except ValueError as error:
        raise damaged(path, str(error), help) from error


def cache_folder() -> Path:
    """`$NETDSL_CACHE`, else the platform's cache folder; not created here."""
    home = os.path.expanduser("~")  # `Path.home` raises where there is none, as in containers.
    if given := os.environ.get("NETDSL_CACHE"):
        return Path(os.path.expanduser(given))
    if sys.platform == "darwin":
        return Path(home, "Library", "Caches", "netdsl")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path(home, "AppData", "Local"), "netdsl")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(home, ".cache"), "netdsl")
