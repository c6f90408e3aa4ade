"""The processes that train one network together; usually one.

torchrun starts several, on one machine or on several, and sets the rank of each in its environment.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from netdsl.runtime.errors import Elsewhere, Interrupted, RunError
from netdsl.runtime.silence import first_line

T = TypeVar("T")

# The time that a process waits for another: the first one decodes a data set while the others wait. A process
# that ends is noticed sooner, by its closed connection or by torchrun.
_PATIENCE = timedelta(hours=6)
# An environment variable that torchrun sets.
_TORCHRUN = "TORCHELASTIC_RUN_ID"
_BY_TORCHRUN = "start them with torchrun, which sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT"
# Seconds in which a process must save its run after torchrun has ended.
_GRACE = 60


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among `size`; the process of rank 0 writes the files and prints.

    On its machine it is `local_rank` of `local_size`. All methods but `share` and `count` are collective:
    all processes must call them.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def require_one(self, what: str) -> None:
        """Raises RunError if torchrun started several processes; `what` is the task in words."""
        if self.size > 1:
            raise RunError(
                f"{what} by one process, not by {self.size}",
                "start it without torchrun, which is for single runs",
            )

    def share(self, index: Tensor) -> Tensor:
        """This process's part of the images of a batch."""
        return index[self.rank :: self.size]

    def count(self, whole: int) -> int:
        """The number of this process's images among the first `whole` images of a batch."""
        return len(range(self.rank, whole, self.size))

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, on any device."""
        if self.size == 1:
            return values
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    def largest(self, value: float) -> float:
        """The largest of the processes' values."""
        if self.size == 1:
            return value
        largest = torch.tensor(value, dtype=torch.float64)  # On the CPU: does not synchronise a GPU.
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return float(largest)

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values = [value] * self.size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: T) -> T:
        """The first process's value."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def adopt(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors with those of the first process."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Waits until all processes call it."""
        self.largest(0)

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """Runs the block in the first process of each machine, then in the others."""
        if self.local_rank > 0:
            self.wait()
        yield
        if self.local_rank == 0:
            self.wait()


ALONE = Processes()


@contextmanager
def joined(device: str = "auto") -> Iterator[Processes]:
    """The processes that torchrun started; this process alone without it.

    They communicate by gloo for tensors on the CPU and by NCCL for those on GPUs, which aren't used if
    `device` is "cpu". An error in the block is reported by one process only: it is raised in the first
    process that fails, and Elsewhere is raised in the others.
    """
    size = _variable("WORLD_SIZE", 1)
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    processes = Processes(
        _variable("RANK", 0), size, _variable("LOCAL_RANK", 0), _variable("LOCAL_WORLD_SIZE", size)
    )
    store = _meet(processes, on_gpus=device != "cpu" and torch.cuda.is_available())
    try:
        with _ended_with_launcher():
            yield processes
    except Interrupted as error:  # All of them stop, at the same step.
        traceback.clear_frames(error.__traceback__)
        _part()
        _require_first_to_fail(store, error, processes)
        raise
    except Exception as error:
        # Without `_part`, which could wait for messages that the others never send.
        _require_first_to_fail(store, error, processes)
        if lost_others(error):
            raise RunError(
                f"process {processes.rank} of {processes.size} lost the connection to the others",
                "the system may have killed one of them, for example for lack of memory; "
                "continue the run with `--resume`",
            ) from error
        raise
    else:
        _part()


def _variable(name: str, default: int) -> int:
    """The number in an environment variable. Raises RunError."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise RunError(f"the environment variable {name} is `{value}`, which is not a number", _BY_TORCHRUN)
    return int(value)


@contextmanager
def _ended_with_launcher() -> Iterator[None]:
    """Inside the block, the end of torchrun stops this process: torchrun that is killed can't stop it.

    It gets a SIGTERM, so that a training saves itself.
    """
    if _TORCHRUN not in os.environ:
        yield
        return
    left, launcher = threading.Event(), os.getppid()

    def watch() -> None:
        while not left.wait(1):
            if os.getppid() != launcher:
                os.kill(os.getpid(), signal.SIGTERM)
                if not left.wait(_GRACE):
                    os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="launcher", daemon=True).start()
    try:
        yield
    finally:
        left.set()


def lost_others(error: Exception) -> bool:
    """True if an error means that the other processes can't be reached any more."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _meet(processes: Processes, *, on_gpus: bool) -> Store:
    """Connects the processes; the store remains when connections break. Raises RunError."""
    try:
        whole, _, _ = next(iter(rendezvous("env://")))
        # torchrun may restart all processes.
        store = PrefixStore(f"netdsl/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", whole)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
            store=store,
            rank=processes.rank,
            world_size=processes.size,
            timeout=_PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"process {processes.rank} of {processes.size} can't reach the others: {first_line(error)}",
            _BY_TORCHRUN,
        ) from error
    return store


def _part() -> None:
    """Closes the connections and ends their threads."""
    # Objects in reference cycles, such as modules, keep the group and its threads alive; threads that run
    # until Python exits sometimes abort the process.
    gc.collect()
    dist.destroy_process_group()


def _require_first_to_fail(store: Store, error: Exception, processes: Processes) -> None:
    """Raises Elsewhere if another process has failed before, and reports the error."""
    status = error.status if isinstance(error, RunError) else 1
    try:
        first = store.add("failed", 1) == 1
    except RuntimeError:  # The process that held the store has ended, without a report.
        first = processes.first or lost_others(error)
    if not first:
        raise Elsewhere("another process reports the error", status=status) from error
