"""Commands of which one operation on a file fails, as SQLite is tested: `python -m tests.support.faults`.

The process has `faults.c` preloaded and forks a child for each attempt, so that torch is imported once.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import ROOT, run_program

FAULTS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "kill": -1}
KILLED = 9
OPTIONS = ["--device", "cpu", "--precision", "fp32", "--compile", "off"]
NETWORK = """\
network tiny

input 1x8x8
classes 10

stem { conv(2, 3, bias=no), bn, relu }
head { global_avgpool, flatten, linear(classes) }

train {
  data digits
  epochs 2
  batch 256
  images 512
}
"""


def _again(folder: Path, command: list[str]) -> list[str]:
    return command


def _resumed(folder: Path, command: list[str]) -> list[str]:
    """Resumes the run or experiment, or starts it again if it can't be resumed yet."""
    run = folder / command[command.index("--run") + 1]
    if (run / "checkpoint.safetensors").exists() or (run / "plan.json").exists():
        return ["train", "--resume", run.name]
    return command


@dataclass(frozen=True)
class Task:
    """A command, and the one by which it is continued after a fault."""

    command: list[str]
    continued: Callable[[Path, list[str]], list[str]] = _again


TASKS = {
    "train": Task(["train", "tiny.net", *OPTIONS, "--run", "run"], _resumed),
    "experiment": Task(
        ["train", "tiny.net", *OPTIONS, "--epochs", "1", "--seeds", "2", "--run", "experiment"], _resumed
    ),
    "build": Task(["build", "tiny.net", "--style", "all", "--map", "-o", "out/code"]),
    "fmt": Task(["fmt", "loose.net", "tiny.net"]),
    "import-weights": Task(["import-weights", "tiny.net", "--from", "w.pth", "-o", "out/w.safetensors"]),
    "graph": Task(["graph", "tiny.net", "-o", "pictures/tiny.svg"]),
    "export": Task(["export", "done", "--onnx", "out/tiny.onnx"]),
}


class Faults:
    """Attempts in copies of the folder `start`, below `work`; the library must be preloaded."""

    def __init__(self, start: Path, work: Path) -> None:
        self.start, self.work = start, work
        self.library = ctypes.CDLL(None)
        self.output = work / "output.txt"

    def attempt(self, folder: Path, command: Sequence[str], point: int = 0, fault: int = 0) -> int:
        """The exit status of a command of which the operation `point` fails, negative for a signal."""
        child = os.fork()
        if child == 0:
            status = 99
            try:
                os.chdir(folder)
                output = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(output, 1)
                os.dup2(output, 2)
                sys.argv = ["netdsl", *command]
                self.library.fault_arm(str(folder).encode() + b"/", ctypes.c_long(point), fault)
                from netdsl.cli import run

                run()
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                (self.work / "seen").write_text(str(self.library.fault_seen()))
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def sweep(self, name: str, every: int) -> tuple[int, dict[str, int], list[str]]:
        """Every so many points of a task with each fault: the points, the attempts, and what went wrong."""
        task = TASKS[name]
        whole = self._copy("whole")
        if self.attempt(whole, task.command) != 0:
            return 0, {}, [f"{name}: {self.said()}"]
        points = int((self.work / "seen").read_text())
        expected = _contents(whole)
        tried, wrong = dict.fromkeys(FAULTS, 0), []
        chosen = range(1, points + 1, every)
        for number, point in enumerate(chosen):
            # A sample has one fault at each point.
            for fault in FAULTS if every == 1 else [list(FAULTS)[number % len(FAULTS)]]:
                tried[fault] += 1
                if complaint := self._one(task, point, fault, expected):
                    wrong.append(f"{name}, {fault} at {point} of {points}: {complaint}")
        return points, tried, wrong

    def _copy(self, name: str) -> Path:
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.start, folder)
        return folder

    def _one(self, task: Task, point: int, fault: str, expected: dict[str, bytes]) -> str:
        folder = self._copy("faulty")
        status, said = self.attempt(folder, task.command, point, FAULTS[fault]), self.said()
        if status not in (0, 1, -KILLED) or "Traceback" in said:
            return f"status {status}, {said}"
        if status == 1 and "error:" not in said:
            return f"no error, {said}"
        if status != -KILLED and (strays := list(folder.rglob("*-part"))):
            return f"left {strays}"
        if status == 0 or fault == "kill" and status != -KILLED:
            again = task.command if status else []
        else:
            again = task.continued(folder, task.command)
        # Only what is already complete can't be resumed.
        if again and self.attempt(folder, again) != 0 and "is complete" not in self.said():
            return f"`{' '.join(again)}` fails after {said}: {self.said()}"
        found = _contents(folder)
        # A picture that can't be written costs a warning, not the results.
        pictures = {file for file in expected if file.endswith(".png") and f"cannot write {file}" in said}
        expected = {
            file: content for file, content in expected.items() if file not in pictures - found.keys()
        }
        if found.keys() != expected.keys():
            return f"other files: {sorted(found.keys() ^ expected.keys())}"
        if differing := [file for file, content in found.items() if content != expected[file]]:
            return f"other contents: {differing}"
        return ""


# Files that hold times and ids, and the code of runs, which names the file that it is from.
_CHANGING = ("checkpoint.safetensors", ".json", "metrics.jsonl", "results.csv", "/tiny.py")


def _contents(folder: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: b"" if name.endswith(_CHANGING) else path.read_bytes() for name, path in files.items()}


def compiled(folder: Path) -> Path:
    """The library of `faults.c`. Raises OSError or CalledProcessError if it can't be compiled."""
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"],
        check=True,
        capture_output=True,
    )
    return library


def swept(
    folder: Path, library: Path, every: dict[str, int]
) -> dict[str, tuple[int, dict[str, int], list[str]]]:
    """The results of `Faults.sweep` for tasks, every so many points, by the name of the task."""
    environment = {
        "LD_PRELOAD": str(library),
        "OMP_NUM_THREADS": "1",
        "NETDSL_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "tests.support.faults", str(folder), json.dumps(every)]
    done = run_program(command, environment, check=True, cwd=ROOT)
    results: dict[str, tuple[int, dict[str, int], list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return results


def _main() -> None:
    # In the parent, so that no child has to.
    import matplotlib.figure  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch
    import torch._dynamo  # noqa: F401

    import netdsl.training.experiment  # noqa: F401

    folder, every = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2])
    start = folder / "start"
    start.mkdir(parents=True)
    (start / "tiny.net").write_text(NETWORK)
    (start / "loose.net").write_text(NETWORK.replace("  ", "    "))
    faults = Faults(start, folder)
    if "import-weights" in every:
        weights = {"stem.0.weight": torch.zeros(2, 1, 3, 3), "stem.1.weight": torch.ones(2)}
        weights |= {"stem.1.bias": torch.ones(2), "fc.weight": torch.ones(10, 2), "fc.bias": torch.ones(10)}
        weights |= {"stem.1.running_mean": torch.zeros(2), "stem.1.running_var": torch.ones(2)}
        torch.save(weights, start / "w.pth")
    if "export" in every:
        assert faults.attempt(start, ["train", "tiny.net", *OPTIONS, "--run", "done"]) == 0, faults.said()
    print(json.dumps({name: faults.sweep(name, step) for name, step in every.items()}))


if __name__ == "__main__":
    _main()
