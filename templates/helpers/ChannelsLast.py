from torch import Tensor, nn


class ChannelsLast(nn.Sequential):
    """Layers that act on the channels at each position of a map."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        for layer in self:
            x = layer(x)
        return x.permute(0, 3, 1, 2)
