"""Files are written whole or not at all, and what a kill leaves is removed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from netdsl.base.atomic import PART, WriteError, replacing, write
from tests.support.disks import small_disk


def test_a_file_that_is_being_written_stays_and_an_abandoned_one_goes(tmp_path: Path) -> None:
    abandoned = tmp_path / f".a.txt.12345678{PART}"
    abandoned.write_bytes(b"half")
    own = tmp_path / ".mine.part"
    own.write_bytes(b"of another program")
    with replacing(tmp_path / "a.txt") as file:
        file.write(b"new")
        (writing,) = tmp_path.glob(f"*{PART}")
        write(tmp_path / "b.txt", b"other")
        assert writing.exists() and not abandoned.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt", ".mine.part"}
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_a_folder_that_is_not_flushed_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, number = os.fsync, errno.EIO

    def broken(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", broken)
    path = tmp_path / "a.txt"
    with pytest.raises(WriteError) as raised:
        write(path, b"new")
    assert str(raised.value) == (
        f"{path} is written, but a power failure may undo it: flushing its folder failed: Input/output error"
    )
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]
    number = errno.EINVAL  # A file system that can't flush folders.
    write(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_the_longest_name_and_modes(tmp_path: Path) -> None:
    for name in ("x" * 255, "ü" * 127):
        write(tmp_path / name, b"1")
        (tmp_path / name).chmod(0o640)
        write(tmp_path / name, b"2")
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    with pytest.raises(WriteError, match="cannot write .*: File name too long"):
        write(tmp_path / ("x" * 256), b"")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "small"
    with small_disk(place, "64k"):
        write(place / "a", b"old" * 1000)
        with pytest.raises(WriteError, match="cannot write .*: No space left on device"):
            write(place / "a", bytes(100_000))
        assert (place / "a").read_bytes() == b"old" * 1000
        assert [path.name for path in place.iterdir()] == ["a"]
