import torch
from torch import Tensor


def log_offsets(window: int) -> Tensor:
    """Relative positions as logarithms: ((2 * window - 1)², 2) (Liu et al. 2022)."""
    side = torch.arange(1 - window, window) / max(window - 1, 1) * 8
    side = side.sign() * (side.abs() + 1).log2() / 3
    return torch.cartesian_prod(side, side)
