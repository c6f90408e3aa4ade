"""The course's own networks, written by hand in plain PyTorch from its pages.

All are for CIFAR-10: scores of shape (N, 10) from images of shape (N, 3, 32, 32). They are the two- and
three-layer nets of A4, Parts II-IV, the net of A3's "train a good model", and the plain and pre-activation
residual nets of A4, Part V. Layers, names and the order of registration follow what the pages print. Every
net is left with PyTorch's default initialisation; `kaiming` gives it that of Parts II and III. `RECIPES`
records what the pages say of the training.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from torch import Tensor, nn

# Parts II-IV: two-layer fully connected net, three-layer convolutional net


class Flatten(nn.Module):
    """(N, C, H, W) to (N, C * H * W); the course has a layer of its own, which prints as `Flatten()`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class TwoLayerFC(nn.Module):
    """Part III, "Module API: Two-Layer Network", without its Kaiming initialisation."""

    def __init__(self, input_size: int, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc2(torch.relu(self.fc1(x.flatten(1))))
        return scores


class ThreeLayerConvNet(nn.Module):
    """Part III, "Module API: Three-Layer ConvNet": layers as its print shows them, connected as in Part II.

    The fully connected layer is sized for 32 x 32 images, which both convolutions leave as they are.
    """

    def __init__(self, in_channel: int, channel_1: int, channel_2: int, num_classes: int) -> None:
        super().__init__()
        self.cv1 = nn.Conv2d(in_channel, channel_1, kernel_size=5, padding=2)
        self.cv2 = nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(channel_2 * 32 * 32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.cv1(x))
        x = torch.relu(self.cv2(x))
        scores: Tensor = self.fc1(x.flatten(1))
        return scores


def two_layer_fc() -> nn.Module:
    """Parts II and III: fully connected, ReLU, fully connected; both with bias, 4000 hidden units."""
    return TwoLayerFC(3 * 32 * 32, 4000, 10)


def two_layer_fc_sequential() -> nn.Module:
    """Part IV: the same net as an `nn.Sequential`, with the names the page prints."""
    return nn.Sequential(
        OrderedDict(
            [
                ("flatten", Flatten()),
                ("fc1", nn.Linear(3 * 32 * 32, 4000)),
                ("relu1", nn.ReLU()),
                ("fc2", nn.Linear(4000, 10)),
            ]
        )
    )


def three_layer_convnet(channel_1: int = 32, channel_2: int = 16) -> nn.Module:
    """Parts II and III: 5x5 convolution, ReLU, 3x3 convolution, ReLU, fully connected; all with bias.

    The page prints 32 and 16 channels in Part IV only, for "the same architecture we used in Part III". The
    shape tests of Parts II and III use (6, 9) and (12, 8); what those parts train is not printed.
    """
    return ThreeLayerConvNet(3, channel_1, channel_2, 10)


def three_layer_convnet_sequential() -> nn.Module:
    """Part IV: the three-layer net as an `nn.Sequential`, with the names and channels the page prints."""
    return nn.Sequential(
        OrderedDict(
            [
                ("cv1", nn.Conv2d(3, 32, kernel_size=5, padding=2)),
                ("relu1", nn.ReLU()),
                ("cv2", nn.Conv2d(32, 16, kernel_size=3, padding=1)),
                ("relu2", nn.ReLU()),
                ("flatten", Flatten()),
                ("fc1", nn.Linear(16 * 32 * 32, 10)),
            ]
        )
    )


def kaiming(network: Callable[[], nn.Module]) -> nn.Module:
    """Parts II and III: the network with Kaiming-normal weights and zero biases."""
    model = network()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


# A3, Q2: "train a good model"


class DeepConvNet(nn.Module):
    """A3: convolutions, each with its ReLU and some with a max pooling, then one fully connected layer.

    `max_pools` holds the indices, from zero, of the convolutions that a pooling follows.
    """

    def __init__(
        self,
        num_filters: Sequence[int],
        max_pools: Sequence[int],
        batchnorm: bool = False,
        in_channels: int = 3,
        size: int = 32,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, filters in enumerate(num_filters):
            layers.append(nn.Conv2d(in_channels, filters, kernel_size=3, padding=1))
            if batchnorm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.ReLU())
            if i in max_pools:
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                size //= 2
            in_channels = filters
        self.cnn = nn.Sequential(*layers)
        self.fc = nn.Linear(in_channels * size * size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.cnn(x).flatten(1))
        return scores


def a3_good_model() -> nn.Module:
    """A3, "train a good model": four convolutions after VGG 11's first half, without batch norm.

    The notes print `num_filters=[32, 64, 128, 128]` and `max_pools=[0, 1, 3]`, call it "the first half of
    VGG 11 and modified it a little bit", and say no more. VGG 11 settles 3x3 kernels with padding 1, biases,
    ReLU after each convolution and 2x2 pooling of stride 2; its first half pools after convolutions 0, 1, 3,
    so the indices count from zero. Left open: whether batch norm is used (not here: its section comes after
    this one), and the head (here one fully connected layer on the 128 x 4 x 4 features, as in the public
    assignment's DeepConvNet, which the notes do not print).
    """
    return DeepConvNet([32, 64, 128, 128], [0, 1, 3])


def a3_good_model_batchnorm() -> nn.Module:
    """A3, "train a good model" with spatial batch norm between each convolution and its ReLU.

    The notes say neither whether it is used nor where; the place, and the bias that each convolution keeps,
    are those of the public assignment's DeepConvNet, which the notes do not print.
    """
    return DeepConvNet([32, 64, 128, 128], [0, 1, 3], batchnorm=True)


# Part V: pre-activation residual nets


class PlainBlock(nn.Module):
    """Part V, "Plain block": batch norm, ReLU, 3x3 convolution, twice; the first half downsamples."""

    def __init__(self, Cin: int, Cout: int, downsample: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(
            OrderedDict(
                [
                    ("sbn1", nn.BatchNorm2d(Cin)),
                    ("relu1", nn.ReLU()),
                    ("conv1", nn.Conv2d(Cin, Cout, kernel_size=3, padding=1, stride=2 if downsample else 1)),
                    ("sbn2", nn.BatchNorm2d(Cout)),
                    ("relu2", nn.ReLU()),
                    ("conv2", nn.Conv2d(Cout, Cout, kernel_size=3, padding=1)),
                ]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


def shortcut(Cin: int, Cout: int, downsample: bool) -> nn.Sequential:
    """Part V, "Residual block": identity where shapes agree, otherwise a 1x1 convolution with bias."""
    if downsample:
        return nn.Sequential(nn.Conv2d(Cin, Cout, kernel_size=1, stride=2))
    if Cin != Cout:
        return nn.Sequential(nn.Conv2d(Cin, Cout, kernel_size=1))
    return nn.Sequential(nn.Identity())


class ResidualBlock(nn.Module):
    """Part V, "Residual block": F(x) + G(x), F a plain block and G its shortcut; nothing follows the sum."""

    def __init__(self, Cin: int, Cout: int, downsample: bool = False) -> None:
        super().__init__()
        self.block = PlainBlock(Cin, Cout, downsample).net
        self.shortcut = shortcut(Cin, Cout, downsample)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x) + self.shortcut(x)
        return out


class ResidualBottleneckBlock(nn.Module):
    """Part V, "Residual bottleneck block": 1x1, 3x3 and 1x1 convolution, each after batch norm and ReLU.

    The first two have `Cout // 4` filters, and the first 1x1 convolution downsamples.
    """

    def __init__(self, Cin: int, Cout: int, downsample: bool = False) -> None:
        super().__init__()
        mid = Cout // 4
        self.block = nn.Sequential(
            nn.BatchNorm2d(Cin),
            nn.ReLU(),
            nn.Conv2d(Cin, mid, kernel_size=1, stride=2 if downsample else 1),
            nn.BatchNorm2d(mid),
            nn.ReLU(),
            nn.Conv2d(mid, mid, kernel_size=3, padding=1),
            nn.BatchNorm2d(mid),
            nn.ReLU(),
            nn.Conv2d(mid, Cout, kernel_size=1),
        )
        self.shortcut = shortcut(Cin, Cout, downsample)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x) + self.shortcut(x)
        return out


Block = type[PlainBlock] | type[ResidualBlock] | type[ResidualBottleneckBlock]
StageArgs = tuple[int, int, int, bool]


class ResNetStage(nn.Module):
    """Part V, "Residual stage": blocks in a row, of which the first changes channels and downsamples."""

    def __init__(
        self, Cin: int, Cout: int, num_blocks: int, downsample: bool = True, block: Block = ResidualBlock
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = [block(Cin, Cout, downsample)]
        for _ in range(num_blocks - 1):
            blocks.append(block(Cout, Cout))
        self.net = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class ResNetStem(nn.Module):
    """Part V, "Residual stem": 3x3 convolution and ReLU, without batch norm."""

    def __init__(self, Cin: int = 3, Cout: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(Cin, Cout, kernel_size=3, padding=1, stride=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class ResNet(nn.Module):
    """Part V, "ResNet class": stem and stages in `cnn`, average pooling over what is left of the image, `fc`.

    The page's print of ResNet-47 fixes the modules: the stem widens to the first stage's input channels, and
    no batch norm or ReLU layer stands after the last stage. The pooling is in `forward`, not printed.
    """

    def __init__(
        self, block: Block, stage_args: Sequence[StageArgs], Cin: int = 3, num_classes: int = 10
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [ResNetStem(Cin, stage_args[0][0])]
        for stage in stage_args:
            layers.append(ResNetStage(*stage, block=block))
        self.cnn = nn.Sequential(*layers)
        self.fc = nn.Linear(stage_args[-1][1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.cnn(x), 1)
        scores: Tensor = self.fc(x.flatten(1))
        return scores


class Network(TypedDict):
    """A specification: block and stages of (channels in, channels out, number of blocks, downsample)."""

    block: Block
    stage_args: list[StageArgs]


networks: dict[str, Network] = {
    "plain32": {
        "block": PlainBlock,
        "stage_args": [
            (8, 8, 5, False),
            (8, 16, 5, True),
            (16, 32, 5, True),
        ],
    },
    "resnet32": {
        "block": ResidualBlock,
        "stage_args": [
            (8, 8, 5, False),
            (8, 16, 5, True),
            (16, 32, 5, True),
        ],
    },
    "resnet47": {
        "block": ResidualBottleneckBlock,
        "stage_args": [
            (32, 32, 5, False),
            (32, 64, 5, True),
            (64, 128, 5, True),
        ],
    },
}


def get_resnet(name: str) -> nn.Module:
    """Part V: the net of a named specification."""
    return ResNet(**networks[name])


def plain32() -> nn.Module:
    """Part V, "ResNet class": 32 layers of plain blocks."""
    return get_resnet("plain32")


def resnet32() -> nn.Module:
    """Part V, "ResNet class": 32 layers of residual blocks."""
    return get_resnet("resnet32")


def resnet47() -> nn.Module:
    """Part V, "Residual bottleneck block": 47 layers of bottleneck blocks."""
    return get_resnet("resnet47")


# What the pages say of training


class Recipe(TypedDict):
    """One training run; None where the pages say nothing. Accuracies are in percent.

    `schedule` gives the epochs, from zero, at whose start the learning rate is multiplied by `decay`.
    `expected_accuracy` is the figure in the text ("around ..."), `val_accuracy` the last one a run printed.
    Momentum 0 and nesterov False stand where the optimizer's call is printed without them.
    """

    network: str
    optimizer: str | None
    learning_rate: float | None
    momentum: float | None
    nesterov: bool | None
    weight_decay: float | None
    batch_size: int | None
    epochs: int | None
    schedule: list[int] | None
    decay: float | None
    initialisation: str | None
    expected_accuracy: float | None
    val_accuracy: float | None
    test_accuracy: float | None


RECIPES: dict[str, Recipe] = {
    "two_layer_fc_part2": {
        "network": "two_layer_fc",
        "optimizer": "SGD",
        "learning_rate": 1e-2,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": "kaiming_normal, zero biases",
        "expected_accuracy": 40.0,
        "val_accuracy": 42.2,
        "test_accuracy": None,
    },
    "two_layer_fc_part3": {
        "network": "two_layer_fc",
        "optimizer": "SGD",
        "learning_rate": 1e-2,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": "kaiming_normal, zero biases",
        "expected_accuracy": 40.0,
        "val_accuracy": 41.3,
        "test_accuracy": None,
    },
    "two_layer_fc_part4": {
        "network": "two_layer_fc_sequential",
        "optimizer": "SGD",
        "learning_rate": 1e-2,
        "momentum": 0.5,
        "nesterov": True,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": "torch default",
        "expected_accuracy": 40.0,
        "val_accuracy": 45.7,
        "test_accuracy": None,
    },
    "three_layer_convnet_part2": {
        "network": "three_layer_convnet",
        "optimizer": "SGD",
        "learning_rate": 3e-3,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": "kaiming_normal",  # of the biases the pages say nothing here
        "expected_accuracy": 45.0,
        "val_accuracy": 43.2,  # the notes to A4 have 46.2
        "test_accuracy": None,
    },
    "three_layer_convnet_part3": {
        "network": "three_layer_convnet",
        "optimizer": "SGD",
        "learning_rate": None,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": "kaiming_normal, zero biases",
        "expected_accuracy": 45.0,
        "val_accuracy": 49.9,
        "test_accuracy": None,
    },
    "three_layer_convnet_part4": {
        "network": "three_layer_convnet_sequential",
        "optimizer": None,
        "learning_rate": None,
        "momentum": None,
        "nesterov": None,
        "weight_decay": None,
        "batch_size": 64,
        "epochs": 1,
        "schedule": [],
        "decay": None,
        "initialisation": None,
        "expected_accuracy": 50.0,
        "val_accuracy": 53.6,
        "test_accuracy": None,
    },
    "a3_good_model": {  # trained within 60 seconds, at "the rate that was used in the notebook" before
        "network": "a3_good_model",
        "optimizer": None,
        "learning_rate": None,
        "momentum": None,
        "nesterov": None,
        "weight_decay": None,
        "batch_size": None,
        "epochs": None,
        "schedule": None,
        "decay": None,
        "initialisation": None,
        "expected_accuracy": None,
        "val_accuracy": 75.18,
        "test_accuracy": 74.68,
    },
    "plain32": {
        "network": "plain32",
        "optimizer": "SGD",
        "learning_rate": 1e-2,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 10,
        "schedule": [6, 8],
        "decay": 0.1,
        "initialisation": "torch default",
        "expected_accuracy": None,
        "val_accuracy": 72.5,
        "test_accuracy": None,
    },
    "resnet32": {
        "network": "resnet32",
        "optimizer": "SGD",
        "learning_rate": 1e-2,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "batch_size": 64,
        "epochs": 10,
        "schedule": [6, 8],
        "decay": 0.1,
        "initialisation": "torch default",
        "expected_accuracy": 80.0,
        "val_accuracy": 81.5,
        "test_accuracy": None,
    },
    "resnet47": {  # printed, not trained
        "network": "resnet47",
        "optimizer": None,
        "learning_rate": None,
        "momentum": None,
        "nesterov": None,
        "weight_decay": None,
        "batch_size": None,
        "epochs": None,
        "schedule": None,
        "decay": None,
        "initialisation": "torch default",
        "expected_accuracy": None,
        "val_accuracy": None,
        "test_accuracy": None,
    },
}
