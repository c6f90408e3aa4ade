"""Memory of the training process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from netdsl.runtime.train_step import TrainStep

# Parameters of mallopt(3), from glibc's malloc.h, and the values that disable them.
_M_TRIM_THRESHOLD, _NEVER = -1, -1
_M_MMAP_MAX, _NONE = -4, 0
# The share of the free memory that a batch may take.
_SHARE = 0.9


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next step instead of returning it to the system.

    Each step frees and allocates the same activations; page faults would take a tenth of a small network's
    time, and half of that of a network with large weights. Does nothing with other C libraries.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_MAX, _NONE)  # From 32 MB on, glibc maps memory and unmaps it when it is freed.
    mallopt(_M_TRIM_THRESHOLD, _NEVER)


def is_out_of_memory(error: RuntimeError) -> bool:
    # On the CPU torch raises a plain RuntimeError.
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in text or "out of memory" in text


def available_memory(device: torch.device) -> int | None:
    """Bytes that this process may still use on a device; None if they are unknown.

    On the CPU it is the smaller one of what the system and the process's cgroup leave.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    with suppress(OSError, ValueError):  # `max` without a limit
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        found.append(limit - int((group / "memory.current").read_text()))
    return min(found, default=None)


class Trial:
    """Whole training steps of other batches: do they fit into memory? Weights change.

    A GPU says itself when its memory is full. A system ends the process: on the CPU the tensors that the
    first step keeps for its backward pass are counted, and larger batches must fit twice.
    """

    def __init__(self, train_step: TrainStep, example: Callable[[int], Tensor]) -> None:
        """`example` returns normalised images (n, C, H, W)."""
        self._train_step, self._example = train_step, example
        self._device = train_step.speed.device
        room = available_memory(self._device)
        self._room = None if room is None else int(_SHARE * room)
        self._kept = 0.0

    def hindrance(self, size: int) -> str | None:
        """Why a batch doesn't fit; None if it does."""
        on_gpu = self._device.type == "cuda"
        needed = 2 * self._kept * size
        if not on_gpu and self._room is not None and needed > self._room:
            return f"{size} images need about {_gib(needed)} of {_gib(self._room)}"
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device) if on_gpu else 0
        try:
            self._step(size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            taken = torch.cuda.max_memory_allocated(self._device) - before if on_gpu else 0
            if self._room is None or taken <= self._room:
                return None
        return f"{size} images do not fit into {_gib(self._room)}" if self._room else f"{size} do not fit"

    def _step(self, size: int) -> None:
        train_step, kept = self._train_step, dict[int, int]()

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        images = self._example(size)
        targets = train_step.task.example(len(images), self._device)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            train_step.gradients(images, targets, len(images))
        train_step.optimizer.step(train_step.recipe.optimizer.lr)
        if train_step.average is not None:
            train_step.average.update()
        weights = sum(weight.nbytes for weight in train_step.model.parameters)
        self._kept = max(sum(kept.values()) - weights, 0) / len(images)


def _gib(count: float) -> str:
    return f"{count / 2**30:.3g} GiB"


def fitting_batch(train_step: TrainStep, example: Callable[[int], Tensor], batch: int) -> int | None:
    """The largest half, quarter, … of a batch whose gradients fit into memory; None if one image doesn't.

    `example` returns normalised images (n, C, H, W).
    """
    while batch := batch // 2:
        for parameter in train_step.model.parameters:
            parameter.grad = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            images = example(batch)
            train_step.gradients(images, train_step.task.example(len(images), images.device), batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            return batch
    return None
