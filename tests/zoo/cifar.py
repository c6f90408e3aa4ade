"""The zoo's networks for CIFAR once more: plain PyTorch, written from the papers, not from the .net files."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Without a bias: a batch norm follows, or stands before the next one."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Classifier(nn.Module):
    """Features, their mean over the positions, class scores; initialised as in He et al. 2015."""

    def __init__(self, features: list[nn.Module], channels: int, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.fc: nn.Module = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x).mean((2, 3)))
        return scores


class Unit(nn.Module):
    """He et al. 2016, fig. 1b: (kernel, channels) of each convolution; the stride is the first one's. With
    `common` the first batch norm and ReLU stand before the split into two paths.
    """

    def __init__(
        self, inputs: int, layers: list[tuple[int, int]], stride: int, common: bool, shortcut: nn.Module
    ) -> None:
        super().__init__()
        activation: list[nn.Module] = [nn.BatchNorm2d(inputs), nn.ReLU()]
        convs: list[nn.Module] = [conv(inputs, layers[0][1], layers[0][0], stride)]
        for (_, before), (kernel, width) in pairwise(layers):
            convs += [nn.BatchNorm2d(before), nn.ReLU(), conv(before, width, kernel)]
        self.common = nn.Sequential(*activation) if common else nn.Identity()
        self.convs = nn.Sequential(*([] if common else activation), *convs)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        x = self.common(x)
        y: Tensor = self.convs(x) + self.shortcut(x)
        return y


class PaddedIdentity(nn.Module):
    """He et al. 2015, section 3.3, option A: every `stride`-th position, and zeros for the new channels."""

    def __init__(self, new: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = new, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


def preresnet(depth: int, bottleneck: bool, width: int = 16) -> nn.Module:
    """He et al. 2016, appendix, on CIFAR (He et al. 2015, section 4.2, for stages and shortcuts).

    Bottlenecks as in the authors' code (KaimingHe/resnet-1k-layers): where channels change, a common
    activation and a 1x1 convolution. Pairs of 3x3 have no projections; of these the appendix gives only the
    first unit a common activation.
    """
    features: list[nn.Module] = [conv(3, width, 3)]
    channels = width
    for stage in range(3):
        base = width << stage
        outputs = 4 * base if bottleneck else base
        layers = [(1, base), (3, base), (1, outputs)] if bottleneck else [(3, base), (3, base)]
        for i in range((depth - 2) // (9 if bottleneck else 6)):
            stride = 2 if stage > 0 and i == 0 else 1
            shortcut: nn.Module = nn.Identity()
            if channels != outputs and bottleneck:
                shortcut = conv(channels, outputs, 1, stride)
            elif channels != outputs:
                shortcut = PaddedIdentity(outputs - channels, stride)
            common = channels != outputs if bottleneck else len(features) == 1
            features.append(Unit(channels, layers, stride, common, shortcut))
            channels = outputs
    return Classifier([*features, nn.BatchNorm2d(channels), nn.ReLU()], channels)


class WideBlock(nn.Module):
    """The block of the authors' code (szagoruyko/wide-residual-networks)."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(drop)
        self.conv2 = conv(outputs, outputs, 3)
        self.projection = conv(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        o1 = F.relu(self.bn1(x))
        o2 = self.dropout(F.relu(self.bn2(self.conv1(o1))))
        y: Tensor = self.conv2(o2)
        return y + (x if self.projection is None else self.projection(o1))


def wide_resnet(depth: int, widen: int, drop: float = 0) -> nn.Module:
    """Zagoruyko and Komodakis 2016, table 1."""
    features: list[nn.Module] = [conv(3, 16, 3)]
    channels = 16
    for outputs, stride in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
        for i in range((depth - 4) // 6):
            features.append(WideBlock(channels, outputs, stride if i == 0 else 1, drop))
            channels = outputs
    return Classifier([*features, nn.BatchNorm2d(channels), nn.ReLU()], channels)


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


def densenet_bc(depth: int, growth: int) -> nn.Module:
    """Huang et al. 2017, section 3, compression 0.5."""
    channels = 2 * growth
    features: list[nn.Module] = [conv(3, channels, 3)]
    for block in range(3):
        for _ in range((depth - 4) // 6):
            features.append(DenseLayer(channels, growth))
            channels += growth
        features += [nn.BatchNorm2d(channels), nn.ReLU()]
        if block < 2:
            features += [conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return Classifier(features, channels)


class PostActivation(nn.Module):
    """relu(body(x) + shortcut(x)), the shortcut a projection with batch norm where the shape changes."""

    def __init__(self, body: nn.Module, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = body
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def normed(layer: nn.Conv2d) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(layer.out_channels)]


def resnext29(groups: int, group_width: int) -> nn.Module:
    """Xie et al. 2017, section 5.3."""
    features: list[nn.Module] = [*normed(conv(3, 64, 3)), nn.ReLU()]
    channels = 64
    for stage in range(3):
        width, outputs = (groups * group_width) << stage, 256 << stage
        for i in range(3):
            stride = 2 if stage > 0 and i == 0 else 1
            body = nn.Sequential(
                *normed(conv(channels, width, 1)),
                nn.ReLU(),
                *normed(conv(width, width, 3, stride, groups)),
                nn.ReLU(),
                *normed(conv(width, outputs, 1)),
            )
            features.append(PostActivation(body, channels, outputs, stride))
            channels = outputs
    return Classifier(features, channels)


class SqueezeExcite(nn.Module):
    """Hu et al. 2018, equations 2 to 4."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        # Linear layers as 1x1 convolutions.
        self.w1, self.w2 = nn.Conv2d(channels, squeeze, 1), nn.Conv2d(squeeze, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.w2(F.relu(self.w1(z))))


def senet18(ratio: int = 16) -> nn.Module:
    """SE-ResNet-18: He et al. 2015, table 1, with Hu et al. 2018, fig. 3."""
    features: list[nn.Module] = [*normed(conv(3, 64, 3)), nn.ReLU()]
    channels = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for i in range(2):
            stride = 2 if stage > 0 and i == 0 else 1
            body = nn.Sequential(
                *normed(conv(channels, outputs, 3, stride)),
                nn.ReLU(),
                *normed(conv(outputs, outputs, 3)),
                SqueezeExcite(outputs, outputs // ratio),
            )
            features.append(PostActivation(body, channels, outputs, stride))
            channels = outputs
    return Classifier(features, channels)


def mobilenet() -> nn.Module:
    """Howard et al. 2017, table 1, the first stride 1."""
    features: list[nn.Module] = [*normed(conv(3, 32, 3)), nn.ReLU()]
    channels = 32
    table = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for outputs, stride in table:
        features += [*normed(conv(channels, channels, 3, stride, groups=channels)), nn.ReLU()]
        features += [*normed(conv(channels, outputs, 1)), nn.ReLU()]
        channels = outputs
    return Classifier(features, channels)


class Placement(nn.Module):
    """He et al. 2016, fig. 4: the drawing's boxes from top to bottom, for each of its five columns."""

    def __init__(self, letter: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        before, after = conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3)
        wide, narrow = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs if letter < "e" else inputs)
        columns: dict[str, tuple[list[nn.Module], list[nn.Module]]] = {
            "a": ([before, wide, nn.ReLU(), after, narrow], [nn.ReLU()]),
            "b": ([before, wide, nn.ReLU(), after], [narrow, nn.ReLU()]),
            "c": ([before, wide, nn.ReLU(), after, narrow, nn.ReLU()], []),
            "d": ([nn.ReLU(), before, wide, nn.ReLU(), after, narrow], []),
            "e": ([narrow, nn.ReLU(), before, wide, nn.ReLU(), after], []),
        }
        on_branch, after_addition = columns[letter]
        self.branch = nn.Sequential(*on_branch)
        self.projection = conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None
        self.after = nn.Sequential(*after_addition)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.projection is None else self.projection(x)
        y: Tensor = self.after(self.branch(x) + shortcut)
        return y


def placements(letter: str, depth: int) -> nn.Module:
    features: list[nn.Module] = [*normed(conv(3, 16, 3)), nn.ReLU()]
    channels = 16
    for stage in range(3):
        for i in range((depth - 2) // 6):
            features.append(Placement(letter, channels, 16 << stage, 2 if stage > 0 and i == 0 else 1))
            channels = 16 << stage
    return Classifier([*features, nn.BatchNorm2d(channels), nn.ReLU()], channels)


def airbench94(width: int) -> nn.Module:
    """Jordan 2024 (arXiv 2404.00498), section 3.1: a 2x2 convolution of 24 filters, three groups of two
    convolutions, of which the first is pooled, a pool of 3, a linear layer, and a factor of 1/9.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 2), nn.GELU()]
    channels = 24
    for outputs in (width, 4 * width, 4 * width):
        for inputs, pool in ((channels, [nn.MaxPool2d(2)]), (outputs, [])):
            convolution = nn.Conv2d(inputs, outputs, 3, padding="same", bias=False)
            norm = nn.BatchNorm2d(outputs, eps=1e-12, momentum=1 - 0.6)
            layers += [convolution, *pool, norm, nn.GELU()]
        channels = outputs
    for layer in layers:
        if isinstance(layer, nn.Conv2d):  # partial identity, section 3.3
            kernel = layer.weight.detach()
            for i in range(min(kernel.shape[:2])):
                kernel[i] = 0
                kernel[i, i, kernel.shape[2] // 2, kernel.shape[3] // 2] = 1
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(channels, 10, bias=False), Times())


class Times(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 9
