"""Random numbers that are functions of what they are for, so that a resumed run draws the same ones."""

from __future__ import annotations

import hashlib

from torch import Generator


def derived(*parts: int | str) -> int:
    """A seed, 0 to 2^63 - 1, that depends on all parts and on nothing else."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> Generator:
    """A generator on the CPU: the same numbers on every device."""
    return Generator().manual_seed(derived(*parts))
