"""U-Net (Ronneberger et al. 2015) as many people write it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Double(nn.Sequential):
    """Two convolutions with batch norm."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        for size in (inside, out):
            self.append(nn.Conv2d(size, out, 3, padding=1, bias=False))
            self.extend([nn.BatchNorm2d(out), nn.ReLU()])


class Unet(nn.Module):
    """Five levels of two convolutions each, with `width` channels at the first one."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(Double(a, b) for a, b in zip([3, *sizes], sizes, strict=False))
        self.up = nn.ModuleList()
        for size in sizes[-2::-1]:
            self.up.extend([nn.ConvTranspose2d(2 * size, size, 2, stride=2), Double(2 * size, size)])
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = []
        for level, convs in enumerate(self.down):
            x = convs(x if level == 0 else F.max_pool2d(x, 2))
            levels.append(x)
        for number in range(4):
            x = torch.cat([levels[3 - number], self.up[2 * number](x)], 1)
            x = self.up[2 * number + 1](x)
        scores: Tensor = self.last(x)
        return scores


def unet(width: int) -> nn.Module:
    """The network with Kaiming-normal weights and zero biases."""
    model = Unet(width, 3)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model
