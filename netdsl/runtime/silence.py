"""Silences the warnings and logs of other libraries."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced() -> Iterator[None]:
    """Disables warnings and logs inside the block, such as those of compilers and exporters."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def clear_frames_silently(error: Exception) -> None:
    """Frees the objects of a failed call, without the tracebacks of those that were made in part."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook


def first_line(error: Exception) -> str:
    """The first line of an error's message, else its type."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
