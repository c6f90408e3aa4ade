import torch.nn.functional as F
from torch import Tensor


def attention_pool(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mean of positions, weighted by the softmax of a score (Hassani et al. 2021)."""
    x = x.flatten(2)
    return (x @ F.linear(x.transpose(1, 2), weight, bias).softmax(1)).unsqueeze(3)
