"""A second signal ends the program even while its main thread never returns to Python."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.support.programs import LONGEST, run_program, started

# Locks a mutex twice: like a computation that does not end, it runs without the interpreter's lock. The
# handlers do nothing, so it does not matter whether the first signal comes before the second lock.
SCRIPT = """
import ctypes, signal
from netdsl.commands.shared_signals import ended_by_second_signal

for number in signal.SIGINT, signal.SIGTERM:
    signal.signal(number, lambda number, frame: None)
lock = ctypes.CDLL(None).pthread_mutex_lock
mutex = ctypes.create_string_buffer(256)
with ended_by_second_signal():
    lock(mutex)
    print("ready", flush=True)
    lock(mutex)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX systems")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_computation_without_an_end(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SCRIPT]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        time.sleep(0.5)
        assert process.poll() is None, "one signal asks a training to save itself and end"
        process.send_signal(number)
        _, errors = process.communicate(timeout=LONGEST)
        assert process.returncode == 128 + number
        assert errors == f"ended by a second {number.name}: the computation did not return\n"


def test_a_program_that_ends_in_time_ends_by_itself() -> None:
    script = """
import os, signal, time
from netdsl.commands import shared_signals
from netdsl.commands.shared_signals import ended_by_second_signal

shared_signals._GRACE = 600
with ended_by_second_signal():
    for _ in range(2):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            pass
print("saved")
"""
    done = run_program([sys.executable, "-c", script])
    assert (done.returncode, done.stdout, done.stderr) == (0, "saved\n", "")
