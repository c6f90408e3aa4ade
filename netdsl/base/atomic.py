"""Atomic file writes: a file is complete or unchanged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path
from stat import S_IMODE

# The suffix of temporary files: a process that is killed while it writes leaves one.
PART = ".part"


def write(path: Path, content: bytes) -> None:
    """Writes a temporary file and renames it, so that no reader sees an incomplete one.

    Raises OSError; then the file is as it was before.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder, which replaces `path` when the block ends without an exception.

    Raises OSError, also where the path is a device, a pipe or a folder; after any exception the file is as
    it was before.
    """
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is no ordinary file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private: give it the permissions of the old file, or the default ones.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~umask)
        # On the disk before its name is: after a power loss the name must not lead to an empty file.
        _flush(temporary)
        temporary.replace(path)
        if os.name == "posix":  # Windows can't open a folder.
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
