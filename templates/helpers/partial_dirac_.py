import torch
from torch import Tensor, nn


def partial_dirac_(tensor: Tensor, generator: torch.Generator | None = None) -> None:
    """The first filters leave the input as it is, the others are torch's default."""
    nn.init.kaiming_uniform_(tensor, a=5**0.5, generator=generator)
    nn.init.dirac_(tensor.detach()[: tensor.shape[1]])
