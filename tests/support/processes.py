"""Two processes on the CPU that know each other, for tests of what several do together."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import torch
import torch.multiprocessing as mp

from netdsl.runtime.distributed import joined
from netdsl.runtime.errors import RunError
from tests.support.programs import LONGEST


class Failed(NamedTuple):
    """A RunError, which can't travel between processes."""

    message: str
    help: str
    status: int


class Pair:
    """Calls a function in both processes; gives the two results by rank, Failed for a RunError."""

    def __init__(self, connections: list[Connection], processes: list[SpawnProcess]) -> None:
        self._connections, self._processes = connections, processes

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        for connection in self._connections:
            connection.send((function, arguments))
        return [self._received(connection) for connection in self._connections]

    def _received(self, connection: Connection) -> Any:
        ends = [process.sentinel for process in self._processes]
        ready = wait([connection, *ends], LONGEST)
        assert ready, "the processes wait for each other"
        assert not set(ready) & set(ends), "a process ended by an exception, which is on its standard error"
        return connection.recv()


@contextmanager
def pair() -> Iterator[Pair]:
    """Two processes, which end with the block."""
    context = mp.get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=_work, args=(rank, port, pipes[rank][1])) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        yield Pair([ours for ours, _ in pipes], processes)
    finally:
        try:
            for ours, _ in pipes:
                with suppress(BrokenPipeError):  # of a process that ended by an exception
                    ours.send(None)
            for process in processes:
                process.join(60)  # they end by themselves, unless a test failed
        finally:
            for process in processes:
                process.kill()
                process.join()


def _work(rank: int, port: int, connection: Connection) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2}
    for name, value in {**address, "RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}.items():
        os.environ[name] = str(value)
    with joined("cpu") as processes:
        while task := connection.recv():
            function, arguments = task
            try:
                connection.send(function(processes, *arguments))
            except RunError as error:
                connection.send(Failed(str(error), error.help, error.status))
