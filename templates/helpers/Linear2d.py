from torch import Tensor, nn


class Linear2d(nn.Linear):
    """A linear layer over the channels at each position of a map."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
