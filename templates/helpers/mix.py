import torch.nn.functional as F
from torch import Tensor


def mix(
    x: Tensor,
    fc1_weight: Tensor,
    fc1_bias: Tensor,
    fc2_weight: Tensor,
    fc2_bias: Tensor,
) -> Tensor:
    """Two linear layers across positions (MLP-Mixer, Tolstikhin et al. 2021)."""
    hidden = F.gelu(F.linear(x.flatten(2), fc1_weight, fc1_bias))
    return F.linear(hidden, fc2_weight, fc2_bias).view(x.shape)
