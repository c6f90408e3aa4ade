import torch
from torch import Tensor


def drop_path(
    x: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    """Stochastic depth: 0 for an example with probability p, else x / (1 - p)."""
    if not training or p == 0:
        return x
    kept = torch.empty(x.shape[0], *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device)
    return x * kept.bernoulli_(1 - p, generator=generator).div_(1 - p)
