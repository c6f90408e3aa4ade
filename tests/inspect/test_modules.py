"""Modules of others, arguments as others give them: what is looked at stays as it was, mistakes are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import Tensor, nn

from netdsl import inspect
from netdsl.inspect.chance import uniform
from netdsl.inspect.dreams import Dreams
from netdsl.inspect.transfer import Transferred
from netdsl.runtime.errors import RunError
from tests.support.looking import unchanged

# Functions that inspect a network of three classes of 3x4x4 images.
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


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(32, 3))


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
        torch.testing.assert_close(seen, model[:2](images()))


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
    with unchanged(model), pytest.raises(RunError, match="`attention` returns a tuple, not a tensor"):
        inspect.activations(model, images(), ["attention"])
    with unchanged(model), pytest.raises(RunError, match="`attention` returns a tuple, not a tensor"):
        inspect.grad_cam(model, images(), torch.tensor([0, 1, 2]), "attention")


# Images and classes


def attacked(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.attack(model, images, classes, steps=3).images


def withstood(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    found = inspect.robustness(model, [(images, classes)], [0.05], steps=2)
    return torch.tensor([row.right for row in found])


def attacked_at_random(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.pgd(model, images, classes, steps=2, restarts=2)


def dreamed(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    found: Dreams = inspect.dream(model, classes, images, steps=2, jitter=1)
    return found.images


def noisy(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.smooth_grad(model, images, classes, samples=2)


def localised(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.grad_cam(model, images, classes, "2")


def integrated(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.integrated_gradients(model, images, classes, steps=2)


def transferred(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    layers = inspect.StyleLayers("2", ("0",))
    found: Transferred = inspect.transfer(model, images, images.flip(3), layers, steps=2)
    return found.images


BY_CLASS = [inspect.saliency, noisy, localised, integrated, inspect.occlusion]
BY_CLASS += [attacked, inspect.fgsm, attacked_at_random, withstood, dreamed]


@pytest.mark.parametrize("look", BY_CLASS)
def test_classes_that_are_none(look: Look) -> None:
    model = network()
    for classes, message in [
        (torch.tensor([0, 1, 3]), "the network has 3 classes"),
        (torch.tensor([0, -1, 2]), "the network has 3 classes"),
        (torch.tensor([0.0, 1.0, 2.0]), r"the classes are \(3\) of float32"),
    ]:
        with unchanged(model), pytest.raises(RunError, match=message):
            look(model, images(), classes)


@pytest.mark.parametrize("look", BY_CLASS)
@pytest.mark.parametrize(
    "classes", [torch.tensor([1, 2]), torch.tensor([0, 1, 2, 0]), torch.tensor([[0], [1], [2]])]
)
def test_a_class_for_each_image(look: Look, classes: Tensor) -> None:
    with pytest.raises(RunError, match="images, but the classes are|starts for"):
        look(network(), images(), classes)


@pytest.mark.parametrize("look", [*BY_CLASS, transferred])
def test_batches_without_images(look: Look) -> None:
    with pytest.raises(RunError, match="there are no images"):
        look(network(), images(0), torch.tensor([], dtype=torch.int64))


def test_no_batches() -> None:
    with pytest.raises(RunError, match="there are no images"):
        inspect.robustness(network(), [], [0.1])
    with pytest.raises(RunError, match="there are no images"):
        inspect.answers(network(), [])


def test_outputs_that_are_no_logits() -> None:
    with pytest.raises(RunError, match=r"the network returns \(3, 3, 4, 4\), not logits"):
        inspect.saliency(nn.Identity(), images(), torch.tensor([0, 1, 2]))


def test_counts_that_make_no_sense() -> None:
    model, classes = network(), torch.tensor([0, 1, 2])
    for count in (0, -1):
        for name in ("steps", "restarts"):
            with pytest.raises(RunError, match=f"`{name}={count}` is too small"):
                inspect.pgd(model, images(), classes, **{name: count})  # type: ignore[arg-type]
            with pytest.raises(RunError, match=f"`{name}={count}` is too small"):
                inspect.robustness(model, [], [], **{name: count})  # type: ignore[arg-type]
        with pytest.raises(RunError, match=f"`samples={count}` is too small"):
            inspect.smooth_grad(model, images(), classes, samples=count)
        with pytest.raises(RunError, match=f"`steps={count}` is too small"):
            inspect.integrated_gradients(model, images(), classes, steps=count)


# Modes and chance of the caller


@pytest.mark.parametrize("look", [*BY_CLASS, transferred])
def test_inside_inference_mode(look: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
    model, classes = network(), torch.tensor([0, 1, 2])
    expected = look(model, images(), classes)
    with unchanged(model), torch.inference_mode():
        inside = look(model, images(), classes.clone())
        torch.testing.assert_close(inside, expected, rtol=0, atol=0)
        assert torch.is_inference_mode_enabled()
        made_inside = images(), classes.clone()
    torch.testing.assert_close(look(model, *made_inside), expected, rtol=0, atol=0)


def test_networks_made_in_inference_mode() -> None:
    with torch.inference_mode():
        model = network()
    with pytest.raises(RunError, match="was created in `torch.inference_mode`"):
        inspect.saliency(model, images(), torch.tensor([0, 1, 2]))
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("look", [noisy, attacked_at_random, withstood, dreamed, transferred])
def test_chance_is_that_of_the_seed_0(look: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
    model, classes = network(), torch.tensor([0, 1, 2])
    before = torch.get_rng_state()
    first = look(model, images(), classes)
    torch.testing.assert_close(look(model, images(), classes), first, rtol=0, atol=0)
    assert torch.equal(inspect.noise((3, 4, 4)), inspect.noise((3, 4, 4)))
    assert torch.equal(torch.get_rng_state(), before)


def test_restarts_start_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[Tensor] = []

    def kept(like: Tensor, generator: torch.Generator) -> Tensor:
        starts.append(uniform(like, generator))
        return starts[-1]

    monkeypatch.setattr("netdsl.inspect.adversarial.uniform", kept)
    attacked_at_random(network(), images(), torch.tensor([0, 1, 2]))
    assert len(starts) == 2 and not torch.equal(*starts)
