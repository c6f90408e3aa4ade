"""Processes that begin with torch imported, and two on the CPU that know each other."""

from __future__ import annotations

import multiprocessing as mp
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch

from netdsl.runtime.distributed import joined
from netdsl.runtime.errors import RunError
from tests.support.programs import LONGEST


def with_torch() -> BaseContext:
    """A context whose processes begin with what a training imports, where the system can fork: importing it
    takes longer than most of what they do.
    """
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    imported = ["torch._dynamo", "netdsl.cli", "netdsl.training.train_run", "netdsl.trained.failure"]
    context.set_forkserver_preload(imported)
    return context


class Failed(NamedTuple):
    """A RunError, which can't travel between processes."""

    message: str
    help: str
    status: int


class Pair:
    """Calls a function in both processes; gives the two results by rank, Failed for a RunError."""

    def __init__(self, connections: list[Connection], processes: list[BaseProcess]) -> None:
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
    context, port = with_torch(), _free_port()
    pipes = [context.Pipe() for _ in range(2)]
    processes = [_process(context, _work, rank, port, pipes[rank][1]) for rank in range(2)]
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


def run_both(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of netdsl in two processes that know each other, as torchrun starts them, to its end.
    Their output is one, and the exit status is the larger one.
    """
    context, port = with_torch(), _free_port()
    files = [folder / "stdout.txt", folder / "stderr.txt"]
    processes = [_process(context, _run, rank, port, folder, files, arguments) for rank in range(2)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(LONGEST)
        status = max(1 if process.exitcode is None else abs(process.exitcode) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.join()
    said = [file.read_text(encoding="utf-8") for file in files]
    for file in files:
        file.unlink()
    return subprocess.CompletedProcess(list(arguments), status, *said)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _process(context: BaseContext, work: Callable[..., None], *arguments: Any) -> BaseProcess:
    return context.Process(target=work, args=arguments)  # type: ignore[attr-defined,no-any-return]


def _meet(rank: int, port: int) -> None:
    """Tells this process where the others are."""
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2}
    for name, value in {**address, "RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}.items():
        os.environ[name] = str(value)


def _run(rank: int, port: int, folder: Path, files: list[Path], arguments: tuple[str, ...]) -> None:
    from netdsl.cli import run

    _meet(rank, port)
    os.chdir(folder)
    os.environ["NETDSL_CACHE"] = str(folder / "cache")
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = ["netdsl", *arguments]
    run()


def _work(rank: int, port: int, connection: Connection) -> None:
    _meet(rank, port)
    with joined("cpu") as processes:
        while task := connection.recv():
            function, arguments = task
            try:
                connection.send(function(processes, *arguments))
            except RunError as error:
                connection.send(Failed(str(error), error.help, error.status))
