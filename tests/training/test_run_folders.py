"""A run folder through any order of what people and accidents do to it: never a traceback, never a loss."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from netdsl.base import atomic
from netdsl.cli import main
from netdsl.runtime import checkpoint
from netdsl.runtime.checkpoint import Checkpoint
from netdsl.runtime.errors import RunError
from netdsl.runtime.run_files import BEST, CHECKPOINT, LAST, Run
from tests.support.faults import OPTIONS

NETWORK = """\
network tiny
input 1x8x8
classes 10
layers { conv(2, 3), relu, flatten, linear(classes) }
train {
  data digits
  images 128
  epochs 2
}
"""
FILES = (CHECKPOINT, BEST, LAST, "run.json", "how.json", "report.json", "metrics.jsonl", "network.net")


class Killed(BaseException):
    """Ends a command where a kill would."""


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed() -> None:
    raise Killed


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)


ACCIDENTS: dict[str, Callable[[], None]] = {"full": full, "killed": killed, "interrupted": interrupted}


class RunFolder(RuleBasedStateMachine):
    """`epochs` are those that a checkpoint has shown; `damaged` is the one file that was changed by hand."""

    @initialize()
    def new(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        (self.place / "tiny.net").write_text(NETWORK)
        self.run, self.copies, self.epochs = self.place / "run", 0, 0
        self.damaged: tuple[Path, bytes] | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    def netdsl(self, *arguments: object, accident: str = "", at: int = 0) -> None:
        """A command in which an accident happens when the file number `at` is flushed."""
        seen, fsync = 0, os.fsync

        def faulty(descriptor: int) -> None:
            nonlocal seen
            seen += 1
            if accident and seen == at:
                ACCIDENTS[accident]()
            fsync(descriptor)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", faulty)
            try:
                result = CliRunner().invoke(main, [str(each) for each in arguments])
            except Killed:
                return
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert result.exit_code in (0, 1, 130), result.output
        if result.exit_code:
            assert "error:" in result.output or "Aborted" in result.output, result.output

    @rule(accident=st.sampled_from(["", *ACCIDENTS]), at=st.integers(1, 24))
    def train(self, accident: str, at: int) -> None:
        self.netdsl("train", self.place / "tiny.net", *OPTIONS, "--run", self.run, accident=accident, at=at)

    @rule(accident=st.sampled_from(["", *ACCIDENTS]), at=st.integers(1, 24), longer=st.booleans())
    def resume(self, accident: str, at: int, longer: bool) -> None:
        more = ("--epochs", self.epochs + 1) if longer else ()
        self.netdsl("train", "--resume", self.run, *more, accident=accident, at=at)

    @rule()
    def look(self) -> None:
        before = {path: path.read_bytes() for path in self.run.rglob("*") if path.is_file()}
        self.netdsl("eval", self.run)
        self.netdsl("compare", self.run, self.run)
        self.netdsl("plot", self.run, "-o", self.place / "plot.png")
        assert all(path.read_bytes() == content for path, content in before.items())

    @precondition(lambda self: self.run.exists())
    @rule()
    def copy(self) -> None:
        self.copies += 1
        other = self.place / f"copy{self.copies}"
        shutil.copytree(self.run, other)
        if self.damaged:
            self.damaged = other / self.damaged[0].name, self.damaged[1]
        self.run = other

    @precondition(lambda self: not self.damaged)
    @rule(name=st.sampled_from(FILES), share=st.floats(0, 1), how=st.sampled_from(["flip", "cut", "gone"]))
    def damage(self, name: str, share: float, how: str) -> None:
        path = self.run / name
        if not path.exists() or not (content := path.read_bytes()):
            return
        at = int(share * (len(content) - 1))
        self.damaged = path, content
        if how == "gone":
            path.unlink()
        else:
            changed = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
            path.write_bytes(content[:at] if how == "cut" else changed)

    @precondition(lambda self: self.damaged)
    @rule()
    def repair(self) -> None:
        """Puts the file back, unless a command has written a whole one."""
        assert self.damaged
        path, content = self.damaged
        if not path.exists() or not self.loads(path):
            path.write_bytes(content)
        self.damaged = None

    def loads(self, path: Path) -> bool:
        try:
            checkpoint.read(path)
        except RunError:
            return False
        return True

    @invariant()
    def nothing_is_lost(self) -> None:
        for name in (CHECKPOINT, BEST, LAST):
            path = self.run / name
            if path.exists() and (self.damaged is None or self.damaged[0] != path):
                assert self.loads(path), path
        if (self.run / CHECKPOINT).exists() and not self.damaged:
            _, progress = Run.resumed(self.run, Checkpoint.read(self.run / CHECKPOINT))
            assert progress.epoch >= self.epochs, "a checkpoint of an earlier epoch"
            self.epochs = progress.epoch
        assert not list(self.place.glob(f"*{atomic.PART}"))


@pytest.mark.usefixtures("cache")
def test_run_folders() -> None:
    RunFolder.TestCase.settings = settings(
        max_examples=6, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
    )
    RunFolder.TestCase().runTest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
