"""The networks of a known collection for CIFAR (kuangliu's) in plain PyTorch, written from the papers with
the collection's sizes, not from the .net files. All have torch's own initialisation.

Layers are registered in the order in which data flows, a body before its shortcut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from tests.zoo.cifar import Classifier, PostActivation, SqueezeExcite, conv, normed

Make = Callable[[int, int, int], nn.Module]


class Plain(Classifier):
    """With torch's initialisation."""

    def __init__(self, features: Sequence[nn.Module], channels: int) -> None:
        super().__init__(list(features), channels)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.reset_parameters()


def activated(*layers: nn.Conv2d, act: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Each convolution with a batch norm and an activation."""
    return [module for layer in layers for module in (*normed(layer), act())]


def with_bias(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def stages(make: Make, channels: int, table: Sequence[tuple[int, int, int]]) -> list[nn.Module]:
    """Rows of (channels, blocks, stride of the first)."""
    blocks = []
    for outputs, count, stride in table:
        for i in range(count):
            blocks.append(make(channels, outputs, stride if i == 0 else 1))
            channels = outputs
    return blocks


class LeNet(nn.Sequential):
    """LeCun et al. 1998."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )


def vgg(depth: int) -> nn.Module:
    """Simonyan and Zisserman 2015: the collection has the convolutions only, each with a batch norm."""
    first, later = {11: (1, 2), 13: (2, 2), 16: (2, 3), 19: (2, 4)}[depth]
    features, channels = [], 3
    for outputs, count in ((64, first), (128, first), (256, later), (512, later), (512, later)):
        for _ in range(count):
            features += activated(with_bias(channels, outputs, 3))
            channels = outputs
        features.append(nn.MaxPool2d(2))
    return Plain(features, channels)


LAYERS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def table(depth: int, expansion: int, width: int = 64) -> list[tuple[int, int, int]]:
    """The stages of a residual network."""
    outputs = [expansion * width << stage for stage in range(4)]
    return list(zip(outputs, LAYERS[depth], (1, 2, 2, 2), strict=True))


def basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    body = nn.Sequential(*activated(conv(inputs, outputs, 3, stride)), *normed(conv(outputs, outputs, 3)))
    return PostActivation(body, inputs, outputs, stride)


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    width = outputs // 4
    body = nn.Sequential(
        *activated(conv(inputs, width, 1), conv(width, width, 3, stride)),
        *normed(conv(width, outputs, 1)),
    )
    return PostActivation(body, inputs, outputs, stride)


def resnet(depth: int, width: int = 64) -> nn.Module:
    """He et al. 2015."""
    deep = depth >= 50
    rows = table(depth, 4 if deep else 1, width)
    blocks = stages(bottleneck if deep else basic, width, rows)
    return Plain([*activated(conv(3, width, 3)), *blocks], rows[-1][0])


class PreActivation(nn.Module):
    """He et al. 2016: the shortcut of a block that changes the shape starts behind its first activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, body: list[nn.Module]) -> None:
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.body = nn.Sequential(*body)
        self.shortcut = conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(x)
        z: Tensor = self.body(y)
        return z + (x if self.shortcut is None else self.shortcut(y))


def preact_basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    convs = [conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(), conv(outputs, outputs, 3)]
    return PreActivation(inputs, outputs, stride, convs)


def preact_bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    width = outputs // 4
    convs: list[nn.Module] = [conv(inputs, width, 1), nn.BatchNorm2d(width), nn.ReLU()]
    convs += [conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(), conv(width, outputs, 1)]
    return PreActivation(inputs, outputs, stride, convs)


def preact_gated(ratio: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    convs = [conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(), conv(outputs, outputs, 3)]
    return PreActivation(inputs, outputs, stride, [*convs, SqueezeExcite(outputs, outputs // ratio)])


def preact_resnet(depth: int, width: int = 64) -> nn.Module:
    deep = depth >= 50
    rows = table(depth, 4 if deep else 1, width)
    blocks = stages(preact_bottleneck if deep else preact_basic, width, rows)
    return Plain([conv(3, width, 3), *blocks], rows[-1][0])


def preact_senet18(ratio: int = 16) -> nn.Module:
    """Hu et al. 2018."""
    blocks = stages(partial(preact_gated, ratio), 64, table(18, 1))
    return Plain([*activated(conv(3, 64, 3)), *blocks], 512)


class Inception(nn.Module):
    """Szegedy et al. 2014, fig. 2b, with two 3x3 for the 5x5."""

    def __init__(self, inputs: int, c1: int, c3_in: int, c3: int, c5_in: int, c5: int, pool: int) -> None:
        super().__init__()
        self.one = nn.Sequential(*activated(with_bias(inputs, c1, 1)))
        self.three = nn.Sequential(*activated(with_bias(inputs, c3_in, 1), with_bias(c3_in, c3, 3)))
        self.five = nn.Sequential(
            *activated(with_bias(inputs, c5_in, 1), with_bias(c5_in, c5, 3), with_bias(c5, c5, 3))
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), *activated(with_bias(inputs, pool, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


def googlenet() -> nn.Module:
    features: list[nn.Module] = activated(with_bias(3, 192, 3))
    channels = 192
    rows = (
        ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
        (
            *((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64)),
            *((112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128)),
        ),
        ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
    )
    for number, group in enumerate(rows):
        if number:
            features.append(nn.MaxPool2d(3, 2, 1))
        for c1, c3_in, c3, c5_in, c5, pool in group:
            features.append(Inception(channels, c1, c3_in, c3, c5_in, c5, pool))
            channels = c1 + c3 + c5 + pool
    return Plain(features, channels)


class NewFirst(nn.Module):
    """A layer of a DenseNet (Huang et al. 2017) that puts its channels before those that are there."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.new = nn.Sequential(
            *(nn.BatchNorm2d(inputs), nn.ReLU(), conv(inputs, 4 * growth, 1)),
            *(nn.BatchNorm2d(4 * growth), nn.ReLU(), conv(4 * growth, growth, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.new(x), x], 1)


def densenet(depth: int, growth: int) -> nn.Module:
    counts = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}[depth]
    channels = 2 * growth
    features: list[nn.Module] = [conv(3, channels, 3)]
    for number, count in enumerate(counts):
        if number:
            half = channels // 2
            features += [nn.BatchNorm2d(channels), nn.ReLU(), conv(channels, half, 1), nn.AvgPool2d(2)]
            channels = half
        for _ in range(count):
            features.append(NewFirst(channels, growth))
            channels += growth
    return Plain([*features, nn.BatchNorm2d(channels), nn.ReLU()], channels)


def resnext29(groups: int, group_width: int) -> nn.Module:
    """Xie et al. 2017."""

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        width = outputs // 2
        body = nn.Sequential(
            *activated(conv(inputs, width, 1), conv(width, width, 3, stride, groups)),
            *normed(conv(width, outputs, 1)),
        )
        return PostActivation(body, inputs, outputs, stride)

    width = groups * group_width
    blocks = stages(block, 64, [(2 * width, 3, 1), (4 * width, 3, 2), (8 * width, 3, 2)])
    return Plain([*activated(conv(3, 64, 1)), *blocks], 8 * width)


class Residual(nn.Module):
    """body(x), and with a stride of 1 + x, or its projection where the channels change."""

    def __init__(self, inputs: int, outputs: int, stride: int, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = (
            nn.Sequential() if inputs == outputs else nn.Sequential(*normed(conv(inputs, outputs, 1)))
        )
        if stride != 1:
            self.shortcut = nn.Sequential()
        self.adds = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y + self.shortcut(x) if self.adds else y


def mobilenet_v2() -> nn.Module:
    """Sandler et al. 2018."""
    features: list[nn.Module] = activated(conv(3, 32, 3))
    channels = 32
    rows = (
        (1, 16, 1, 1),
        (6, 24, 2, 1),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expand, outputs, count, first in rows:
        for i in range(count):
            stride, hidden = first if i == 0 else 1, expand * channels
            body = nn.Sequential(
                *activated(conv(channels, hidden, 1), conv(hidden, hidden, 3, stride, hidden)),
                *normed(conv(hidden, outputs, 1)),
            )
            features.append(Residual(channels, outputs, stride, body))
            channels = outputs
    return Plain([*features, *activated(conv(channels, 1280, 1))], 1280)


class DualPath(nn.Module):
    """Chen et al. 2017: `added` channels are added, `appended` ones appended."""

    def __init__(self, inputs: int, width: int, added: int, appended: int, stride: int, first: bool) -> None:
        super().__init__()
        self.added = added
        self.change = nn.Sequential(
            *activated(conv(inputs, width, 1), conv(width, width, 3, stride, 32)),
            *normed(conv(width, added + appended, 1)),
        )
        projection = normed(conv(inputs, added + appended, 1, stride)) if first else []
        self.path = nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        y, x = self.change(x), self.path(x)
        d = self.added
        return F.relu(torch.cat([x[:, :d] + y[:, :d], x[:, d:], y[:, d:]], 1))


def dpn(counts: tuple[int, int, int, int]) -> nn.Module:
    features: list[nn.Module] = activated(conv(3, 64, 3))
    channels = 64
    rows = ((96, 256, 16), (192, 512, 32), (384, 1024, 24), (768, 2048, 128))
    for stage, ((width, added, appended), count) in enumerate(zip(rows, counts, strict=True)):
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            features.append(DualPath(channels, width, added, appended, stride, i == 0))
            channels = added + (i + 2) * appended
    return Plain(features, channels)


def shuffled(x: Tensor, groups: int) -> Tensor:
    """The channels of the groups in turn."""
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class GroupShuffle(nn.Module):
    """Zhang et al. 2018, fig. 2b and c."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        own = outputs - inputs if stride == 2 else outputs
        self.stride, self.groups = stride, 1 if inputs == 24 else groups
        self.first = nn.Sequential(*activated(conv(inputs, own // 4, 1, groups=self.groups)))
        self.rest = nn.Sequential(
            *activated(conv(own // 4, own // 4, 3, stride, own // 4)),
            *normed(conv(own // 4, own, 1, groups=groups)),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.rest(shuffled(self.first(x), self.groups))
        return F.relu(y + x if self.stride == 1 else torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], 1))


def shufflenet(width: int, groups: int) -> nn.Module:
    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        return GroupShuffle(inputs, outputs, stride, groups)

    blocks = stages(block, 24, [(width, 4, 2), (2 * width, 8, 2), (4 * width, 4, 2)])
    return Plain([*activated(conv(3, 24, 1)), *blocks], 4 * width)


class HalfShuffle(nn.Module):
    """Ma et al. 2018, fig. 3c and d."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        left = [*normed(conv(inputs, inputs, 3, stride, inputs)), *activated(conv(inputs, half, 1))]
        self.left = nn.Sequential(*left) if stride == 2 else None
        inside = inputs if stride == 2 else half
        self.right = nn.Sequential(
            *activated(conv(inside, half, 1)),
            *normed(conv(half, half, 3, stride, half)),
            *activated(conv(half, half, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        one, two = x.chunk(2, 1) if self.left is None else (self.left(x), x)
        return shuffled(torch.cat([one, self.right(two)], 1), 2)


def shufflenet_v2(widths: tuple[int, int, int], last: int) -> nn.Module:
    blocks = stages(HalfShuffle, 24, list(zip(widths, (4, 8, 4), (2, 2, 2), strict=True)))
    return Plain([*activated(conv(3, 24, 1)), *blocks, *activated(conv(widths[-1], last, 1))], last)


class Gate(nn.Module):
    """Squeeze-and-excitation with SiLU."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Conv2d(channels, squeeze, 1), nn.Conv2d(squeeze, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.w2(F.silu(self.w1(x.mean((2, 3), keepdim=True)))))


class Skip(nn.Module):
    """body(x), + x if the shape is the same; the body is dropped with probability p (Huang et al. 2016)."""

    def __init__(self, body: nn.Module, same: bool, p: float) -> None:
        super().__init__()
        self.body, self.same, self.dropped = body, same, StochasticDepth(p, "row")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return self.dropped(y) + x if self.same else y


def efficientnet_b0(ratio: int = 4) -> nn.Module:
    """Tan and Le 2019. The collection's first block has an expansion that is never used; here it has none."""
    features: list[nn.Module] = activated(conv(3, 32, 3), act=nn.SiLU)
    channels = 32
    rows = (
        *((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2)),
        *((6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)),
    )
    index, total = 0, sum(count for *_, count, _ in rows)
    for expand, kernel, outputs, count, first in rows:
        for i in range(count):
            stride, hidden = first if i == 0 else 1, expand * channels
            body = nn.Sequential(
                *(activated(conv(channels, hidden, 1), act=nn.SiLU) if expand != 1 else []),
                *activated(conv(hidden, hidden, kernel, stride, hidden), act=nn.SiLU),
                Gate(hidden, channels // ratio),
                *normed(conv(hidden, outputs, 1)),
            )
            features.append(Skip(body, stride == 1 and channels == outputs, 0.2 * index / total))
            channels, index = outputs, index + 1
    model = Plain(features, channels)
    model.fc = nn.Sequential(nn.Dropout(0.2), model.fc)
    return model


def regnet(
    widths: tuple[int, int, int, int], depths: tuple[int, int, int, int], group: int, gates: bool
) -> nn.Module:
    """Radosavovic et al. 2020."""

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        gate = [SqueezeExcite(outputs, round(inputs / 4))] if gates else []
        body = nn.Sequential(
            *activated(conv(inputs, outputs, 1), conv(outputs, outputs, 3, stride, outputs // group)),
            *gate,
            *normed(conv(outputs, outputs, 1)),
        )
        return PostActivation(body, inputs, outputs, stride)

    rows = list(zip(widths, depths, (1, 1, 2, 2), strict=True))
    return Plain([*activated(conv(3, 64, 3)), *stages(block, 64, rows)], widths[-1])


class Tree(nn.Module):
    """Yu et al. 2018. `nodes` are called one after the other; the root sees the outputs of them all, of the
    node `aside` on the input first.
    """

    def __init__(self, nodes: Sequence[nn.Module], outputs: int, aside: nn.Module | None = None) -> None:
        super().__init__()
        self.aside = aside
        self.nodes = nn.ModuleList(nodes)
        count = len(nodes) + (aside is not None)
        self.root = nn.Sequential(*activated(conv(count * outputs, outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        found = [] if self.aside is None else [self.aside(x)]
        for node in self.nodes:
            x = node(x)
            found.append(x)
        y: Tensor = self.root(torch.cat(found, 1))
        return y


def dla(simple: bool, width: int = 16) -> nn.Module:
    def tree(inputs: int, outputs: int, stride: int) -> nn.Module:
        return Tree([basic(inputs, outputs, stride), basic(outputs, outputs, 1)], outputs)

    def deep(inputs: int, outputs: int, stride: int) -> nn.Module:
        if simple:
            return Tree([tree(inputs, outputs, stride), tree(outputs, outputs, 1)], outputs)
        nodes = [tree(inputs, outputs, stride), basic(outputs, outputs, 1), basic(outputs, outputs, 1)]
        return Tree(nodes, outputs, basic(inputs, outputs, stride))

    w = width
    first = activated(conv(3, w, 3), conv(w, w, 3), conv(w, 2 * w, 3))
    trees = [tree(2 * w, 4 * w, 1), deep(4 * w, 8 * w, 2), deep(8 * w, 16 * w, 2), tree(16 * w, 32 * w, 2)]
    return Plain([*first, *trees], 32 * w)


class Pair(nn.Module):
    """The sum of two paths, activated."""

    def __init__(self, one: nn.Module, two: nn.Module) -> None:
        super().__init__()
        self.one, self.two = one, two

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.one(x) + self.two(x))


def filtered(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return nn.Sequential(*normed(conv(inputs, outputs, kernel, stride, inputs)))


def pooled(inputs: int, outputs: int, stride: int) -> nn.Module:
    projection = normed(conv(inputs, outputs, 1)) if stride == 2 else []
    return nn.Sequential(nn.MaxPool2d(3, stride, 1), *projection)


def cell_a(inputs: int, outputs: int, stride: int) -> nn.Module:
    return Pair(filtered(inputs, outputs, 7, stride), pooled(inputs, outputs, stride))


class CellB(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.large = Pair(filtered(inputs, outputs, 7, stride), filtered(inputs, outputs, 3, stride))
        self.small = Pair(pooled(inputs, outputs, stride), filtered(inputs, outputs, 5, stride))
        self.join = nn.Sequential(*activated(conv(2 * outputs, outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.join(torch.cat([self.large(x), self.small(x)], 1))
        return y


def pnasnet(cell: Make, width: int) -> nn.Module:
    """Liu et al. 2018."""
    blocks = stages(cell, width, [(width, 6, 1), (2 * width, 7, 2), (4 * width, 7, 2)])
    return Plain([*activated(conv(3, width, 3)), *blocks], 4 * width)
