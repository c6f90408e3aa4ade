from torch import Tensor, nn

from templates.helpers.drop_path import drop_path


class DropPath(nn.Module):
    """Stochastic depth: leaves examples out in training (Huang et al. 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(x, self.p, self.training)
