from torch import Tensor, nn


class Slice(nn.Module):
    """Channels or features from start up to, but without, end."""

    def __init__(self, start: int, end: int | None = None) -> None:
        super().__init__()
        self.start = start
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.end]
