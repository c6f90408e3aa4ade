"""Networks that end in maps: U-Net (Ronneberger et al. 2015) as many people write it, and detectors."""

from __future__ import annotations

import math

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


class Residual(nn.Module):
    """Two convolutions, and a strided one around them."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()),
            *(nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()),
        )
        same = stride == 1 and inside == out
        self.around = nn.Identity() if same else nn.Conv2d(inside, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x) + self.around(x)
        return y


class ScenesFcos(nn.Module):
    """FCOS (Tian et al. 2019) on one map of stride 4, to which features of stride 8 are added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        neck = 3 * width
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.fine = Residual(width, 2 * width, 2)
        self.coarse = nn.Sequential(Residual(2 * width, 4 * width, 2), Residual(4 * width, 4 * width, 1))
        self.down = nn.Conv2d(4 * width, neck, 1, bias=False)
        self.across = nn.Conv2d(2 * width, neck, 1, bias=False)
        self.tower = nn.Sequential(nn.BatchNorm2d(neck), nn.ReLU())
        for _ in range(2):
            self.tower.extend(
                [nn.Conv2d(neck, neck, 3, padding=1, bias=False), nn.BatchNorm2d(neck), nn.ReLU()]
            )
        self.scores = nn.Conv2d(neck, 10, 3, padding=1)
        self.boxes = nn.Conv2d(neck, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x))
        coarse = F.interpolate(self.down(self.coarse(fine)), scale_factor=2.0)
        x = self.tower(coarse + self.across(fine))
        return torch.cat([self.scores(x), self.boxes(x)], 1)


def scenes_fcos(width: int) -> nn.Module:
    """The network with Kaiming-normal weights, and scores that begin at a probability of 0.01."""
    model = ScenesFcos(width)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.constant_(model.scores.bias, -math.log(99))  # type: ignore[arg-type]
    return model
