"""A second Ctrl-C, SIGTERM or SIGHUP ends the program even during a computation that does not return."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from netdsl.runtime.stop_signals import ONE_REQUEST, STOP_SIGNALS

# Seconds that the program has to end by itself after the second signal.
_GRACE = 5.0


@contextmanager
def ended_by_second_signal() -> Iterator[None]:
    """Within the block, a second signal of these ends the process if it has not ended itself in five seconds.

    Python runs signal handlers in its main thread, between two instructions: while a computation of torch
    does not return, no handler runs and no signal is answered. Python's C code writes the number of each
    signal that has a handler into a pipe at once, which a thread reads here. For the main thread; the
    processes of torchrun are left to torchrun, which sends signals more than once.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1" or os.name == "nt":
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    left = threading.Event()
    threading.Thread(target=_watch, args=(reader, left), name="second signal", daemon=True).start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        left.set()
        os.close(writer)  # The thread reads the end of the pipe.


def _watch(reader: int, left: threading.Event) -> None:
    counted, last = 0, -math.inf
    while number := os.read(reader, 1):
        if number[0] in STOP_SIGNALS and (now := time.monotonic()) - last > ONE_REQUEST:
            counted, last = counted + 1, now
        if counted >= 2 and not left.wait(_GRACE):
            name = signal.Signals(number[0]).name
            os.write(2, f"ended by a second {name}: the computation did not return\n".encode())
            os._exit(128 + number[0])
    os.close(reader)
