"""Names that must differ from others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count


def numbered(name: str, separator: str = "") -> Iterator[str]:
    """The name, and then the name with the numbers from 2 on: `block`, `block2`, `block3`, …"""
    yield name
    for number in count(2):
        yield f"{name}{separator}{number}"


def is_module(name: str) -> bool:
    """True for a module of Python or torch, which a file `NAME.py` would shadow."""
    return name == "torch" or name in sys.stdlib_module_names
