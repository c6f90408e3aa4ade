import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """A learned factor for each channel or feature (Touvron et al. 2021)."""

    def __init__(self, *shape: int, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape).fill_(initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
