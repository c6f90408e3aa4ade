"""Memory of the training process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from netdsl.runtime.train_step import TrainStep

# Parameters of mallopt(3), from glibc's malloc.h, and the values that disable them.
_M_TRIM_THRESHOLD, _NEVER = -1, -1
_M_MMAP_MAX, _NONE = -4, 0


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
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


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
