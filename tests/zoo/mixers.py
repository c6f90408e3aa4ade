"""Transformers and mixers for images of 32x32, in plain PyTorch from their papers.

Tokens are (N, L, C), as in the papers. Attention is `nn.MultiheadAttention`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEN = 10


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.attention(x, x, x, need_weights=False)
        assert isinstance(y, Tensor)
        return y


class PreNorm(nn.Module):
    """x + layer(norm(x))."""

    def __init__(self, width: int, *layers: nn.Module) -> None:
        super().__init__()
        self.norm, self.layers = nn.LayerNorm(width), nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(self.norm(x))
        return y


def perceptron(width: int, hidden: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)


def encoders(width: int, depth: int, heads: int, ratio: int) -> nn.Sequential:
    """Dosovitskiy et al. 2021, equations 2 and 3."""
    blocks: list[nn.Module] = []
    for _ in range(depth):
        blocks += [
            PreNorm(width, SelfAttention(width, heads)),
            PreNorm(width, *perceptron(width, ratio * width)),
        ]
    return nn.Sequential(*blocks)


class ViT(nn.Module):
    """Dosovitskiy et al. 2021, equations 1 to 4."""

    def __init__(self, width: int, depth: int, heads: int, patch: int, size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.ParameterList([torch.empty(1, 1, width)])
        self.positions = nn.ParameterList([torch.empty(1, (size // patch) ** 2 + 1, width)])
        self.encoders = encoders(width, depth, heads, 2)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, TEN)
        initialise(self)
        nn.init.trunc_normal_(self.patches.weight, std=0.02)
        nn.init.zeros_(self.patches.bias)  # type: ignore[arg-type]
        nn.init.trunc_normal_(self.class_token[0], std=0.02)
        nn.init.normal_(self.positions[0], std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token[0].expand(len(x), -1, -1), x], 1) + self.positions[0]
        y: Tensor = self.head(self.norm(self.encoders(x)[:, 0]))
        return y


class CCT(nn.Module):
    """Hassani et al. 2021, section 3, with the encoders of ViT."""

    def __init__(self, width: int, depth: int, heads: int, ratio: int, convs: int, size: int) -> None:
        super().__init__()
        channels = [3, *[64] * (convs - 1), width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(channels, channels[1:], strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        self.tokenizer = nn.Sequential(*layers)
        self.positions = nn.ParameterList([torch.empty(1, (size >> convs) ** 2, width)])
        self.encoders = encoders(width, depth, heads, ratio)
        self.norm, self.pool, self.head = nn.LayerNorm(width), nn.Linear(width, 1), nn.Linear(width, TEN)
        initialise(self)
        for layer in self.tokenizer:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.trunc_normal_(self.positions[0], std=0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tokenizer(x).flatten(2).transpose(1, 2) + self.positions[0]
        x = self.norm(self.encoders(x))
        weights = F.softmax(self.pool(x), 1)
        y: Tensor = self.head((weights * x).sum(1))
        return y


def initialise(model: nn.Module) -> None:
    """Linear layers, those of attention too, as in the authors' code of DeiT and CCT."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.trunc_normal_(module.in_proj_weight, std=0.02)


class AcrossTokens(nn.Module):
    """Layers that see the tokens of each channel as features."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x.transpose(1, 2)).transpose(1, 2)
        return y


class MLPMixer(nn.Module):
    """Tolstikhin et al. 2021, section 2, equation 1, and appendix E."""

    def __init__(self, width: int, depth: int, patch: int, tokens: int, channels: int, size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        blocks: list[nn.Module] = []
        for _ in range(depth):
            blocks.append(PreNorm(width, AcrossTokens(*perceptron((size // patch) ** 2, tokens))))
            blocks.append(PreNorm(width, *perceptron(width, channels)))
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, TEN)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.patches(x).flatten(2).transpose(1, 2))
        y: Tensor = self.head(self.norm(x).mean(1))
        return y


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return x + y


def conv_mixer(width: int, depth: int, kernel: int = 5, patch: int = 2) -> nn.Module:
    """Trockman and Kolter 2022, fig. 3."""

    def activated(*layers: nn.Module) -> tuple[nn.Module, ...]:
        return *layers, nn.GELU(), nn.BatchNorm2d(width)

    layers: list[nn.Module] = [*activated(nn.Conv2d(3, width, patch, patch))]
    for _ in range(depth):
        depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        layers += [Residual(*activated(depthwise)), *activated(nn.Conv2d(width, width, 1))]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, TEN))
