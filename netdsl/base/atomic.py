"""Atomic file writes: a file is complete or unchanged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ENOTSUP
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO

# The suffix of temporary files. A process that is killed while it writes leaves one, which the next write
# into the folder removes.
PART = ".netdsl-part"


class WriteError(OSError):
    """A file could not be written: `str()` is the message, with its path and the reason."""

    def __init__(self, message: str, cause: OSError) -> None:
        super().__init__(message)
        self.errno = cause.errno


def write(path: Path, content: bytes) -> None:
    """Writes a temporary file and renames it, so that no reader sees an incomplete one.

    Raises WriteError as `replacing` does.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file in the same folder, which replaces `path` when the block ends without an exception.

    Raises WriteError, also where the path is a device, a pipe or a folder; after any exception the file is as
    it was before, unless only the folder could not be flushed, which the message says.
    """
    try:
        with _temporary(path) as (temporary, file):
            with file:
                yield file
                # On the disk before its name is: after a power loss the name must not lead to an empty file.
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}", error) from error
    try:
        _flush(path.parent)
    except OSError as error:
        message = f"{path} is written, but a power failure may undo it: flushing its folder failed"
        raise WriteError(f"{message}: {error.strerror}", error) from error


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file with the permissions of `path`, or the default ones; removed in the end."""
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is not a regular file")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    # Shortened, since a name has at most 255 bytes.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=PART)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):  # A file system without locks.
                _lock(descriptor)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~umask)
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Removes the temporary files of processes that have ended."""
    for stray in folder.glob(f".*{PART}"):
        with suppress(OSError):  # Another process is writing it.
            descriptor = os.open(stray, os.O_RDONLY)
            try:
                _lock(descriptor)
            finally:
                os.close(descriptor)
            stray.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Locks a file until it is closed. Raises OSError if another process has locked it."""
    if os.name == "posix":  # Windows itself refuses to remove an open file.
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _flush(folder: Path) -> None:
    """Writes a folder's entries to the disk, where the system can do it."""
    if os.name != "posix":  # Windows can't open a folder.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (EINVAL, ENOTSUP):  # A file system without this operation.
            raise
    finally:
        os.close(descriptor)
