"""`netdsl watch`, as the process that it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from netdsl.base.stamps import stamps_of
from netdsl.cli import main
from netdsl.commands import watch
from tests.support.programs import LONGEST, started, wait_until

BLOCKS = "block two(out) { conv(out, 3), relu }\n"
NETWORK = """\
network n(width=4)
input 3x8x8
classes 2
use "blocks.net"
stem { two(width) }
head { global_avgpool, flatten, linear(classes) }
"""


class Watched:
    """The process, and what it has said."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process

    def says(self, text: str, times: int = 1) -> str:
        """Waits until it has said a text so often; all that it said."""
        said = self.folder / "said.txt"
        wait_until(lambda: said.read_text().count(text) >= times, self.process)
        return said.read_text()

    def code(self) -> str:
        return (self.folder / "generated" / "n.py").read_text()

    def save(self, name: str, text: str) -> None:
        """As editors do: a new file in the place of the old one."""
        new = self.folder / f"{name}.new"
        new.write_text(text)
        new.replace(self.folder / name)


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[Watched]:
    command = [sys.executable, "-m", "netdsl", "watch", "n.net", *arguments]
    with (
        (folder / "said.txt").open("w") as said,
        started(command, {"NO_COLOR": "1"}, cwd=folder, stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        yield Watched(folder, process)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    (tmp_path / "n.net").write_text(NETWORK)
    with watching(tmp_path) as process:
        yield process


def test_every_save_is_built_and_ctrl_c_ends_it(watched: Watched) -> None:
    watched.says("wrote generated/n.py")
    assert "Two(3, 4)" in watched.code()

    watched.save("n.net", NETWORK.replace("width=4", "width=8"))
    watched.says("ok, 3x8x8 -> 2, 242 parameters", 1)
    assert "Two(3, 8)" in watched.code()

    good = watched.code()
    watched.save("n.net", NETWORK.replace("width=4", "wdth=4"))
    said = watched.says("n.net: has errors; its code is unchanged")
    assert "error[NET201]" in said and "n.net:5:12" in said
    assert watched.code() == good

    (watched.folder / "blocks.net").write_text(BLOCKS.replace("3)", "5)"))  # in place, and used
    watched.save("n.net", NETWORK)
    watched.says("wrote generated/n.py", 3)
    assert "nn.Conv2d(in_channels, out, 5, padding=2)" in watched.code()

    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(LONGEST) == 0
    assert "Traceback" not in watched.says("watching n.net")


def test_a_used_file_may_go_and_come_back(watched: Watched) -> None:
    watched.says("wrote generated/n.py")
    blocks = watched.folder / "blocks.net"
    blocks.write_text(BLOCKS.replace("relu", "gelu"))
    watched.says("wrote generated/n.py", 2)
    assert "GELU" in watched.code()

    blocks.unlink()
    watched.says("blocks.net can't be read")
    blocks.write_text(BLOCKS)
    watched.says("wrote generated/n.py", 3)

    (watched.folder / "n.net").touch()  # nothing new to say
    os.utime(blocks)
    watched.save("n.net", NETWORK + "# A remark.\n")
    said = watched.says("the code is unchanged")
    assert said.count("n.net: ok") == 4


class Clock:
    """A time in which things happen: at each look at the files the next of them."""

    def __init__(self, events: list[Callable[[], object]]) -> None:
        self.now, self._events = 0.0, iter(events)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self._events, lambda: None)()


def test_a_file_may_be_gone_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.net"
    path.write_text("old")
    nothing = [lambda: None] * 3
    new = partial(path.write_text, "new")
    clock = Clock([*nothing, path.unlink, *nothing, new, *nothing])
    monkeypatch.setattr(watch, "time", clock)
    stamps = stamps_of([path])
    watch.wait(stamps)
    assert path.read_text() == "new"
    assert clock.now == pytest.approx(watch.INTERVAL * 9)  # and once more, to see that it stays so

    path.unlink()
    watch.wait(stamps_of([path]) | stamps)  # gone for good: said after a while
    assert clock.now > watch.PATIENCE


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_options_are_those_of_build(tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(NETWORK.replace('use "blocks.net"', BLOCKS))
    with watching(tmp_path, "--style", "all", "-o", "code", "--set", "width=6") as process:
        process.says("wrote code/n.py, code/n_functional.py, code/n_sequential.py")
    assert sorted(path.name for path in (tmp_path / "code").iterdir()) == [
        "n.py",
        "n_functional.py",
        "n_sequential.py",
    ]


def test_what_can_not_be_read_is_not_watched(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["watch", str(tmp_path / "missing.net")])
    assert result.exit_code == 1
    assert "missing.net can't be read" in result.stderr
