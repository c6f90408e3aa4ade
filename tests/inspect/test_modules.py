"""Modules of others, and arguments as others give them: what is looked at stays as it was, mistakes are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import Tensor, nn

from netdsl import inspect
from netdsl.runtime.errors import RunError
from tests.inspect.looking import unchanged

# What looks at a network of three classes of 3x4x4 images.
Look: TypeAlias = Callable[[nn.Module, Tensor, Tensor], object]


class Twice(nn.Module):
    """Its `relu` runs twice, before and after a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.relu(self.conv2(self.relu(self.conv1(x)))))
        return logits


class Attending(nn.Module):
    """Its layer `attention` gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(48, 2)
        self.head = nn.Linear(48, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        logits: Tensor = self.head(self.attention(x, x, x)[0])
        return logits


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(32, 3)
        )


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))


# Layers


def test_activations_are_those_of_evaluation() -> None:
    model = network().train()
    with unchanged(model):
        seen = inspect.activations(model, images(), ["1"])["1"]
        alone = inspect.activations(model, images()[:1], ["1"])["1"]
    torch.testing.assert_close(seen[:1], alone)
    with inspect.evaluating(model):
        torch.testing.assert_close(seen, model[1](model[0](images())))


def test_a_module_that_runs_twice_is_seen_the_last_time() -> None:
    model = Twice().eval()
    first = model.conv1(images()).relu()
    last = model.conv2(first).relu()
    for names in (["relu"], ["relu", "conv2"], ["conv2", "relu"], ["conv1", "relu", "head"]):
        torch.testing.assert_close(inspect.activations(model, images(), names)["relu"], last)
    with inspect.captured(model, ["relu"]) as seen:
        model(images())
    torch.testing.assert_close(seen["relu"], last)


def test_heads_that_take_no_such_images_are_not_needed() -> None:
    larger = torch.rand(2, 3, 9, 9)
    assert inspect.activations(Twice(), larger, ["relu"])["relu"].shape == (2, 4, 7, 7)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        inspect.activations(Twice(), larger, ["relu", "head"])


def test_layers_that_give_no_tensor() -> None:
    model = Attending()
    with unchanged(model), pytest.raises(RunError, match="`attention` gives no tensor but a tuple"):
        inspect.activations(model, images(), ["attention"])
    with unchanged(model), pytest.raises(RunError, match="`attention` gives no tensor but a tuple"):
        inspect.grad_cam(model, images(), torch.tensor([0, 1, 2]), "attention")
