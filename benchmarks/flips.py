"""Flips single bits of a weights file: each is refused, or changes nothing that is read.

    python -m benchmarks.flips RUN/checkpoint.safetensors [COUNT]

prints how many flips were refused, harmless and accepted wrongly; the bits are spread over the whole file.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from netdsl.runtime import checkpoint
from netdsl.runtime.errors import RunError


def flipped(path: Path, count: int) -> Counter[str]:
    """The number of flips, drawn without repetition, that were `refused`, `harmless` or `wrong`."""
    content = path.read_bytes()
    tensors, metadata = checkpoint.read(path)
    found: Counter[str] = Counter(refused=0, harmless=0, wrong=0)
    bits = random.Random(0).sample(range(8 * len(content)), min(count, 8 * len(content)))
    with tempfile.TemporaryDirectory() as place:
        damaged = Path(place) / "damaged.safetensors"
        for bit in bits:
            at = bit // 8
            damaged.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit % 8]) + content[at + 1 :])
            try:
                others, texts = checkpoint.read(damaged)
            except RunError:
                found["refused"] += 1
                continue
            same = tensors.keys() == others.keys() and metadata.items() <= texts.items()
            whole = same and all(torch.equal(tensors[name], others[name]) for name in tensors)
            found["harmless" if whole else "wrong"] += 1
    return found


if __name__ == "__main__":
    path, *counts = sys.argv[1:]
    print(dict(flipped(Path(path), int(counts[0]) if counts else 10_000)))
