from torch import Tensor, nn


class Token(nn.Module):
    """One position of a map, as a vector."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, self.index]
