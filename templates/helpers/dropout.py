import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(
    x: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    """Dropout with the generator's random numbers; without one, as `nn.Dropout`."""
    if generator is None or not training:
        return F.dropout(x, p, training)
    return x * torch.empty_like(x).bernoulli_(1 - p, generator=generator).div_(1 - p)
