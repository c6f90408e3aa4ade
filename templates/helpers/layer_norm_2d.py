import torch.nn.functional as F
from torch import Tensor


def layer_norm_2d(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer normalisation over the channels at each position of a map."""
    x = x.permute(0, 2, 3, 1)
    x = F.layer_norm(x, x.shape[-1:], weight, bias, eps)
    return x.permute(0, 3, 1, 2)
