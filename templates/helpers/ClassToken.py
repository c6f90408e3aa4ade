import torch
from torch import Tensor, nn

from templates.helpers.class_token import class_token


class ClassToken(nn.Module):
    """A learned token before all positions of a map (Dosovitskiy et al. 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return class_token(x, self.weight)
