"""Random numbers that a generator decides, whatever the device."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Numbers from 0 to 1 in the shape, with the dtype and on the device of a tensor."""
    return _blank(like, generator).uniform_(generator=generator).to(like.device)


def normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers in the shape, with the dtype and on the device of a tensor."""
    return _blank(like, generator).normal_(generator=generator).to(like.device)


def _blank(like: Tensor, generator: torch.Generator | None) -> Tensor:
    # Where the generator is, and else on the CPU: one seed gives the same numbers on every device.
    return torch.empty(like.shape, dtype=like.dtype, device=generator.device if generator else "cpu")
