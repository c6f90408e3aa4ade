"""Full disks where a training writes: nothing is lost, and one error says what is full."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from netdsl.runtime import checkpoint
from netdsl.runtime.run_files import BEST
from tests.support.commands import netdsl
from tests.support.disks import enlarge, small_disk
from tests.support.faults import NETWORK, OPTIONS
from tests.support.programs import run_program
from tests.support.samples import save_image

# The system fills `/dev/shm`, the folder for temporary files and the cache before the command starts.
FULL = """\
for place in /dev/shm "$TMPDIR"; do
  mount -t tmpfs -o size=4k tmpfs "$place" && head -c 4096 /dev/zero > "$place/full" || exit 77
done
exec "$@"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    Path("tiny.net").write_text(NETWORK)


def test_a_run_on_a_full_disk_is_resumed(tmp_path: Path) -> None:
    command = ["train", "tiny.net", *OPTIONS, "--run"]
    assert netdsl(*command, "whole").exit_code == 0
    with small_disk(tmp_path / "disk", "28k"):
        run = tmp_path / "disk" / "run"
        failed = netdsl(*command, run)
        assert failed.exit_code == 1 and "No space left on device\n  = help: free" in failed.output
        enlarge(tmp_path / "disk", "8m")
        assert netdsl("train", "--resume", run).exit_code == 0
        best, whole = (checkpoint.load(place / BEST) for place in (run, Path("whole")))
        assert all(best[name].equal(whole[name]) for name in whole)
        assert {path.name for path in run.iterdir()} == {path.name for path in Path("whole").iterdir()}


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs `unshare`, to mount for one process")
def test_no_room_for_temporary_files(tmp_path: Path) -> None:
    """Images are not cached, and processes that decode them can't be started."""
    for part in ("train", "test"):
        for i in range(4):
            save_image(tmp_path / "images" / part / "red" / f"{i}.png", (200, 20 + i, 0))
            save_image(tmp_path / "images" / part / "blue" / f"{i}.png", (0, 20 + i, 200))
    (tmp_path / "temporary").mkdir()
    environment = {
        "TMPDIR": str(tmp_path / "temporary"),
        "NETDSL_CACHE": str(tmp_path / "temporary" / "cache"),
    }
    text = NETWORK.replace("1x8x8", "3x8x8").replace("classes 10", "classes 2").replace("  images 512\n", "")
    Path("two.net").write_text(text)
    options = [*OPTIONS, "--data", "folder:images", "--batch", "2", "--loader", "stream", "--workers", "1"]
    command = [sys.executable, "-m", "netdsl", "train", "two.net", *options, "--run", "run"]
    done = run_program(["unshare", "-m", "bash", "-c", FULL, "bash", *command], environment)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("needs the right to mount a tmpfs")
    assert "decoded images are not cached: cannot write" in done.stdout
    assert done.stderr.startswith("error: the processes that decode images failed: [Errno 28] No space left")
    assert done.stderr.count("\n") == 2 and "--workers 0" in done.stderr
    resumed = netdsl("train", "--resume", "run", "--workers", "0")
    assert resumed.exit_code == 0, resumed.output
