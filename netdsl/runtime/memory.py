"""How the process handles its memory while it trains on the CPU."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt(3), from glibc's malloc.h, and the largest values that it takes.
_M_TRIM_THRESHOLD, _LARGEST_TRIM = -1, 2**31 - 1
_M_MMAP_THRESHOLD, _LARGEST_MMAP = -3, 32 * 2**20


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next step in place of giving it back to the system.

    Each step frees and takes the same activations; without this the system hands them out anew,
    page by page, which takes a tenth of a small network's time. Does nothing on other C libraries.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST_TRIM)
