"""The command line under torchrun: one set of files, one voice, one end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import netdsl
from tests.support.processes import run_both
from tests.support.programs import LONGEST, run_program, started, wait_until

NETWORK = """network tiny
input 1x8x8
classes 10
stem { conv(4, 3), bn, relu }
head { global_avgpool, flatten, linear(classes) }
train {
  data digits
  epochs 1
  batch 64
  optimizer sgd(lr=0.05)
}
"""
# torchrun would take `--run` for its own `--run-path`; `--` keeps it from that.
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "netdsl", "--"]


ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.net").write_text(NETWORK, encoding="utf-8")
    return tmp_path


def train(*arguments: str) -> list[str]:
    return ["train", *arguments, "--device", "cpu", "--precision", "fp32"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, *TORCHRUN, *train(*arguments)]


@contextmanager
def training(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A training that goes on and on in `runs/tiny`, past its first epoch, and its two processes."""
    with started(
        command("tiny.net", "--epochs", "100000"),
        ONE_THREAD,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as launcher:
        wait_until((folder / "runs" / "tiny" / "metrics.jsonl").exists, launcher)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        yield launcher, [int(child) for child in children]


def test_one_set_of_files_and_one_voice(folder: Path) -> None:
    done = run_both(folder, *train("tiny.net", "--batch-norm", "sync", "--run", "here"))
    assert done.returncode == 0, done.stderr
    for line in ("\n  1/1 ", "2 processes, sync batch norm", "the run is in here"):
        assert done.stdout.count(line) == 1
    how = json.loads((folder / "here" / "how.json").read_text())
    assert (how["processes"], how["batch_norm"]) == (2, "sync")
    assert json.loads((folder / "here" / "report.json").read_text())["epochs"] == 1

    again = run_both(folder, *train("tiny.net", "--run", "here"))
    assert again.returncode == 1
    assert again.stderr.count("already holds a run") == 1
    assert "gloo" not in again.stderr and "netdsl/runtime" not in again.stderr


def test_what_cannot_be_shared_leaves_no_folder(folder: Path) -> None:
    done = run_both(folder, *train("tiny.net", "--batch-norm", "sync", "--style", "functional"))
    assert done.stderr.count("can't be synchronised") == 1
    assert not (folder / "runs").exists()


def test_an_error_in_the_network_is_shown_once(folder: Path) -> None:
    (folder / "tiny.net").write_text(NETWORK.replace("relu", "rellu"), encoding="utf-8")
    done = run_program(command("tiny.net"), ONE_THREAD, cwd=folder)
    assert done.stderr.count("rellu") == 2  # in the line of the file, and in the message


@pytest.mark.skipif(sys.platform != "linux", reason="finds torchrun's processes in /proc")
def test_a_signal_to_each_leaves_one_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with training(folder) as (launcher, processes):
        for process in processes * 2:
            os.kill(process, signal.SIGTERM)
        _, errors = launcher.communicate(timeout=LONGEST)
    assert errors.count("stopped by SIGTERM") == errors.count("torchrun … -m netdsl train --resume") == 1
    assert "netdsl/runtime" not in errors

    rows = (folder / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()
    monkeypatch.chdir(folder)
    resumed = netdsl(*train("--resume", "runs/tiny", "--epochs", str(len(rows) + 1)))
    assert resumed.exit_code == 0, resumed.stderr
    assert "changed: processes 2 -> 1: from here on numbers round differently" in resumed.output
    assert f"\n  {len(rows) + 1}/{len(rows) + 1}" in resumed.output


@pytest.mark.skipif(sys.platform != "linux", reason="finds torchrun's processes in /proc")
def test_when_one_process_is_killed_all_end(folder: Path) -> None:
    with training(folder) as (launcher, processes):
        os.kill(processes[0], signal.SIGKILL)
        _, errors = launcher.communicate(timeout=LONGEST)
    assert errors.count("error: process 1 of 2 lost the connection to the others\n") == 1
    for word in ("netdsl/runtime", "gloo", "GLHF", "frame #"):
        assert word not in errors


@pytest.mark.skipif(sys.platform != "linux", reason="finds torchrun's processes in /proc")
def test_when_torchrun_is_killed_all_end_and_the_run_is_saved(folder: Path) -> None:
    with training(folder) as (launcher, processes):
        launcher.kill()
        _, errors = launcher.communicate(timeout=LONGEST)  # To the end of all that write there.
        wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))
    assert errors.count("stopped by SIGTERM") == 1
    assert "all of it is saved" in errors and "frame #" not in errors
