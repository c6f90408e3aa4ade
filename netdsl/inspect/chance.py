"""Random numbers from a generator, equal on all devices."""

from __future__ import annotations

import torch
from torch import Tensor


def seeded(generator: torch.Generator | None) -> torch.Generator:
    """The generator, by default one with the seed 0, so that results are reproducible."""
    return generator or torch.Generator().manual_seed(0)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers from 0 to 1 in the shape, with the dtype and on the device of a tensor."""
    return _blank(like, generator).uniform_(generator=generator).to(like.device)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape, with the dtype and on the device of a tensor."""
    return _blank(like, generator).normal_(generator=generator).to(like.device)


def _blank(like: Tensor, generator: torch.Generator) -> Tensor:
    # On the generator's device: a generator on the CPU gives the same numbers for all devices.
    return torch.empty(like.shape, dtype=like.dtype, device=generator.device)
