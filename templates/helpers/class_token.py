import torch
from torch import Tensor


def class_token(x: Tensor, weight: Tensor) -> Tensor:
    """A learned token before all positions: (N, C, H, W) -> (N, C, 1, H * W + 1)."""
    token = weight.expand(x.shape[0], 1, -1)
    x = torch.cat([token, x.flatten(2).transpose(1, 2)], 1)
    return x.transpose(1, 2).unsqueeze(2)
