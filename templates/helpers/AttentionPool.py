from torch import Tensor, nn


class AttentionPool(nn.Module):
    """Mean of positions, weighted by the softmax of a score (Hassani et al. 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)
        weights: Tensor = self.score(x.transpose(1, 2)).softmax(1)
        return (x @ weights).unsqueeze(3)
