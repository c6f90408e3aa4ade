"""Programs that tests start as processes. Each ends with its test, together with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]

# Seconds. Only what hangs takes so long, on the slowest machine: no test depends on the clock otherwise.
LONGEST = 900.0

# Environment variables that mark a program with its children, and all processes of a test session.
_PROGRAM, SESSION = "NETDSL_TESTS_PROGRAM", "NETDSL_TESTS_SESSION"


@contextmanager
def started(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A program that runs within the block. Afterwards it is killed, and so are all its children.

    `env` is added to the environment, in which Python finds this tree's netdsl.
    """
    mark = uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {}), _PROGRAM: mark}
    process = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        if os.name == "posix":
            with suppress(ProcessLookupError):  # it ended, with all of its group
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        while children := marked(_PROGRAM, mark):  # those that left the group, as torchrun's do
            kill(children)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def run_program(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, check: bool = False, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end. Its output is captured unless `options` redirect it."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with started(command, env, **streams) as process:
        output, errors = process.communicate(timeout=LONGEST)
    assert not check or process.returncode == 0, f"{output}{errors}"
    return subprocess.CompletedProcess(list(command), process.returncode, output, errors)


def run_mypy(files: Sequence[Path], shared: Path) -> subprocess.CompletedProcess[str]:
    """Checks files with mypy at its strictest. The runs of a session share a cache with torch's types."""
    config = shared / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\nuntyped_calls_exclude = torch\n", encoding="utf-8")
    options: list[str | Path] = ["--config-file", config, "--cache-dir", shared / "mypy"]
    return run_program([sys.executable, "-m", "mypy", *options, *files], cwd=files[0].parent)


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, longest: float = LONGEST
) -> None:
    """Waits for a condition; it is an error if the process ends first, or if it never holds."""
    end = time.monotonic() + longest
    while not condition():
        assert process is None or process.poll() is None, "the program ended too early"
        assert time.monotonic() < end, "the program hangs"
        time.sleep(0.02)


def marked(variable: str, value: str) -> list[int]:
    """Processes that were started with this environment variable; on Linux, elsewhere none are found."""
    wanted = f"{variable}={value}".encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # ended meanwhile, or another user's
            if wanted in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found


def kill(processes: Sequence[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    time.sleep(0.02)
