import torch
from torch import Tensor, nn

from templates.helpers.add_positions import add_positions


class Positions(nn.Module):
    """Adds a learned embedding of each position of a map (Dosovitskiy et al. 2021)."""

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(positions, channels))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return add_positions(x, self.weight)
