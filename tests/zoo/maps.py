"""Networks that end in maps: U-Net (Ronneberger et al. 2015) as many people write it, and detectors."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model, mobilenet_v2
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops.feature_pyramid_network import LastLevelP6P7


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


def kaiming(model: nn.Module, scores: nn.Conv2d | None = None) -> nn.Module:
    """The network with Kaiming-normal weights and zero biases; `scores` begin at a probability of 0.01."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if scores is not None:
        nn.init.constant_(scores.bias, -math.log(99))  # type: ignore[arg-type]
    return model


def unet(width: int) -> nn.Module:
    return kaiming(Unet(width, 3))


def unit(inside: int, out: int, stride: int = 1) -> list[nn.Module]:
    """A convolution with batch norm and ReLU."""
    return [nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


class Residual(nn.Module):
    """Two convolutions, and a strided one around them."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*unit(inside, out, stride), *unit(out, out))
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
        self.stem = nn.Sequential(*unit(3, width, 2))
        self.fine = Residual(width, 2 * width, 2)
        self.coarse = nn.Sequential(Residual(2 * width, 4 * width, 2), Residual(4 * width, 4 * width, 1))
        self.down = nn.Conv2d(4 * width, neck, 1, bias=False)
        self.across = nn.Conv2d(2 * width, neck, 1, bias=False)
        self.tower = nn.Sequential(nn.BatchNorm2d(neck), nn.ReLU())
        self.tower.extend([*unit(neck, neck), *unit(neck, neck)])
        self.scores = nn.Conv2d(neck, 10, 3, padding=1)
        self.boxes = nn.Conv2d(neck, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x))
        coarse = F.interpolate(self.down(self.coarse(fine)), scale_factor=2.0)
        x = self.tower(coarse + self.across(fine))
        return torch.cat([self.scores(x), self.boxes(x)], 1)


def scenes_fcos(width: int) -> nn.Module:
    model = ScenesFcos(width)
    return kaiming(model, model.scores)


class Cells(nn.Module):
    """FCOS (Tian et al. 2019) on maps of strides 4 and 8 (Lin et al. 2017), with one head for both."""

    def __init__(self, width: int, neck: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(*unit(3, width, 2), Residual(width, 2 * width, 2))
        self.middle = nn.Sequential(Residual(2 * width, 4 * width, 2), Residual(4 * width, 4 * width, 1))
        self.coarse = nn.Sequential(Residual(4 * width, 6 * width, 2), Residual(6 * width, 6 * width, 1))
        self.down = nn.Conv2d(6 * width, neck, 1, bias=False)
        self.across = nn.ModuleList(nn.Conv2d(n * width, neck, 1, bias=False) for n in (4, 2))
        self.tower = nn.Sequential()
        for _ in range(2):
            self.tower.extend(
                [nn.Conv2d(neck, neck, 3, padding=1, bias=False), nn.GroupNorm(8, neck), nn.ReLU()]
            )
        self.scores = nn.Conv2d(neck, 3, 3, padding=1)
        self.boxes = nn.Conv2d(neck, 5, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        fine = self.fine(x)
        middle = self.middle(fine)
        large = F.interpolate(self.down(self.coarse(middle)), scale_factor=2.0) + self.across[0](middle)
        small = F.interpolate(large, scale_factor=2.0) + self.across[1](fine)
        hidden = map(self.tower, (small, large))
        return tuple(torch.cat([self.scores(h), self.boxes(h)], 1) for h in hidden)


def cells(width: int, neck: int) -> nn.Module:
    model = Cells(width, neck)
    return kaiming(model, model.scores)


def scenes_yolo(width: int) -> nn.Module:
    """YOLO (Redmon et al. 2016) with four anchors on one map of stride 8, and ten classes."""
    blocks = [Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2)]
    blocks += [Residual(4 * width, 4 * width, 1) for _ in range(2)]
    head = [*unit(4 * width, 4 * width), nn.Conv2d(4 * width, 30, 1)]
    return kaiming(nn.Sequential(*unit(3, width, 2), *blocks, *head))


def yolo_course() -> nn.Module:
    """torchvision's features of MobileNetV2, and the course's head for nine anchors and twenty classes."""
    head = [nn.Conv2d(1280, 128, 1), nn.Dropout(0.3), nn.LeakyReLU(), nn.Conv2d(128, 65, 1)]
    return kaiming(nn.Sequential(mobilenet_v2().features, *head))


def pyramid(width: int, out: int) -> nn.Module:
    """torchvision's ResNet-50 and feature pyramid, with `width` channels at first (torchvision's have 64)."""
    shared = SimpleNamespace(_norm_layer=nn.BatchNorm2d, dilation=1, inplanes=width, groups=1, base_width=64)
    first = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    body = nn.Sequential(OrderedDict(zip(("conv1", "bn1", "relu", "maxpool"), first, strict=True)))
    for n, blocks in enumerate((3, 4, 6, 3)):
        stage = ResNet._make_layer(shared, Bottleneck, width << n, blocks, 1 + (n > 0))
        body.add_module(f"layer{n + 1}", stage)
    for module in body.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    layers = {f"layer{n + 2}": str(n) for n in range(3)}
    inside = [width << n for n in (3, 4, 5)]
    made: nn.Module = BackboneWithFPN(body, layers, inside, out, LastLevelP6P7(out, out))
    return made


class Detector(nn.Module):
    """The maps of a detector of torchvision for each size, side by side, before they become rows of boxes;
    without the ReLU of FCOS's distances.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        (tower, *scores), (other, *boxes) = (list(head.children()) for head in self.head.children())
        return tuple(
            torch.cat([*(last(tower(y)) for last in scores), *(last(other(y)) for last in boxes)], 1)
            for y in self.backbone(x).values()
        )


def torchvision_detector(name: str) -> nn.Module:
    model = get_model(name, weights=None, weights_backbone=None)
    return Detector(model.backbone, model.head)


def small_detector(head: Callable[[int, int, int], nn.Module], anchors: int) -> nn.Module:
    """A detector of 91 classes with 8 channels at first, and 64 in the pyramid."""
    return Detector(pyramid(8, 64), head(64, anchors, 91))
