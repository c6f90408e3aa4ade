import torch.nn.functional as F
from torch import Tensor


def merge(x: Tensor, n: int) -> Tensor:
    """n x n neighbours in channels, column by column.

    (N, C, H, W) -> (N, n * n * C, H / n, W / n)
    """
    *_, h, w = x.shape
    x = F.pad(x, (0, -w % n, 0, -h % n)).unflatten(3, (-1, n)).unflatten(2, (-1, n))
    return x.permute(0, 2, 4, 5, 3, 1).flatten(3).permute(0, 3, 1, 2)
