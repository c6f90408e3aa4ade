"""Small disks, which are full soon."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Inside the block, `place` is a disk of this size, such as "64k". Skips the test if mounting is not
    allowed.
    """
    place.mkdir(exist_ok=True)
    if _mount(f"size={size}", place).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def enlarge(place: Path, size: str) -> None:
    """Changes the size of a small disk."""
    assert not _mount(f"remount,size={size}", place).returncode


def _mount(options: str, place: Path) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
    except OSError as error:  # No such program.
        pytest.skip(f"needs the right to mount a tmpfs: {error}")
