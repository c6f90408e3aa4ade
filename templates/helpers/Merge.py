from torch import Tensor, nn

from templates.helpers.merge import merge


class Merge(nn.Module):
    """n x n neighbours of a map in channels (patch merging, Liu et al. 2021)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return merge(x, self.n)
