"""Seeds derived from the use of the random numbers, so that a resumed run draws the same ones."""

from __future__ import annotations

import hashlib

from torch import Generator


def derived(*parts: int | str) -> int:
    """A seed, 0 to 2^63 - 1, that depends on the parts only."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> Generator:
    """A generator on the CPU, so that numbers are the same for all devices."""
    return Generator().manual_seed(derived(*parts))
