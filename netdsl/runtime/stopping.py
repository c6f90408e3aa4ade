"""Ctrl-C and SIGTERM: the run finishes its step and saves a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from netdsl.runtime.distributed import ALONE, Processes


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
    """Inside the block the first Ctrl-C or SIGTERM is only recorded; a second one has its usual effect.

    Several processes record all: torchrun forwards signals that a scheduler may have sent to each process
    already, and kills processes that take too long.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Only the main thread may handle signals.
        return
    caught = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in caught}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = signal.Signals(number)
        if processes.size == 1:
            restore()

    for number in caught:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        # Of several processes, one that stops may get the signal again until it ends.
        if processes.size == 1 or not stop:
            restore()
