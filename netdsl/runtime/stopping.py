"""Ctrl-C, SIGTERM and SIGHUP: the run finishes its step and saves a checkpoint."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from netdsl.runtime.distributed import ALONE, Processes
from netdsl.runtime.stop_signals import ONE_REQUEST, STOP_SIGNALS


class Stop:
    """True if the run is to stop: `signal` is the received signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def agreed(self, processes: Processes) -> signal.Signals | None:
        """The signal that any of the processes got; they all call this at the same step."""
        number = int(processes.largest(self.signal or 0))
        return signal.Signals(number) if number else None


@contextmanager
def on_signals(processes: Processes = ALONE) -> Iterator[Stop]:
    """Inside the block the first Ctrl-C, SIGTERM or SIGHUP is recorded; a later one has its usual effect, as
    it has after the block.

    Several processes record all: torchrun forwards signals that a scheduler may have sent to each process
    already, and kills processes that take too long.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Only the main thread may handle signals.
        return
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    before = {number: known for number, known in handlers.items() if known is not signal.SIG_IGN}  # nohup
    first = 0.0

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if not stop:
            first, stop.signal = now, signal.Signals(number)
        elif processes.size == 1 and now - first > ONE_REQUEST:
            restore()
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        # While the program ends, the rest of the request may come, or of several processes another signal.
        if not stop:
            restore()
