"""Attacks: their formulas and budgets, and what they reach."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor, nn

from netdsl import inspect
from netdsl.compiler import STYLES
from netdsl.inspect import Inspected
from netdsl.inspect.pictures import batches
from netdsl.runtime.errors import RunError
from netdsl.trained.open_run import create_model, open_run
from tests.support.building import build
from tests.support.commands import netdsl
from tests.support.looking import unchanged
from tests.training.test_real_images import images as photographs

__all__ = ["photographs"]


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Three classes of 3x4x4 images; weights as by chance, but the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(32, 3)]
        return nn.Sequential(*layers).to(dtype)


def noise(count: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 4, 4, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def predicted(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad(), inspect.evaluating(model):
        numbers: Tensor = model(images).argmax(1)
    return numbers


# Budgets


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    eps=st.floats(0, 1) | st.integers(0, 255).map(lambda level: level / 255) | st.floats(0, 1e-6),
    seed=st.integers(0, 1000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    levels=st.booleans(),
    targeted=st.booleans(),
)
def test_budgets_hold_exactly(
    eps: float, seed: int, dtype: torch.dtype, levels: bool, targeted: bool
) -> None:
    model, images = network(dtype), noise(3, dtype, seed)
    if levels:  # of 8 bits, black and white among them
        images = ((images * 300 - 20).round() / 255).clamp(0, 1)
    labels = torch.tensor([0, 1, 2])
    generator = torch.Generator().manual_seed(seed)
    for found in (
        inspect.fgsm(model, images, labels, eps, targeted=targeted),
        inspect.pgd(model, images, labels, eps, targeted=targeted, steps=3, restarts=2, generator=generator),
    ):
        assert found.dtype is dtype
        assert (found - images).abs().max().item() <= eps
        assert (found.double() - images.double()).abs().max().item() <= eps
        assert found.min() >= 0 and found.max() <= 1
        if levels:
            file = inspect.in_8_bits(found, images, eps)
            steps = (file * 255).round() - (images * 255).round()
            assert steps.abs().max().item() <= 255 * eps + 1e-6
            assert file.min() >= 0 and file.max() <= 1


def test_budgets_are_used() -> None:
    model, images = network(), noise(8) * 0.5 + 0.25
    for found in (
        inspect.fgsm(model, images, torch.zeros(8, dtype=torch.int64), 8 / 255),
        inspect.pgd(model, images, torch.zeros(8, dtype=torch.int64), 8 / 255),
    ):
        assert (found - images).abs().max().item() == pytest.approx(8 / 255, rel=1e-5)


def test_whole_levels_are_kept_in_8_bits() -> None:
    """Rounding changes nothing if images have the levels of files and eps is a number of levels."""
    images = (noise(8) * 255).round() / 255
    found = inspect.fgsm(network(), images, torch.zeros(8, dtype=torch.int64), 7 / 255)
    torch.testing.assert_close(inspect.in_8_bits(found, images, 7 / 255), found)
    # Half a level can't be written: what is within the budget is the image itself.
    found = inspect.fgsm(network(), images, torch.zeros(8, dtype=torch.int64), 0.5 / 255)
    torch.testing.assert_close(inspect.in_8_bits(found, images, 0.5 / 255), images)


@pytest.mark.parametrize("eps", [-0.1, 1.5, math.nan])
def test_budgets_without_sense(eps: float) -> None:
    with pytest.raises(RunError, match="is not from 0 to 1"):
        inspect.fgsm(network(), noise(1), torch.tensor([0]), eps)


def test_images_off_the_scale() -> None:
    labels = torch.tensor([0])
    for attack in (inspect.attack, inspect.fgsm, inspect.pgd):
        with pytest.raises(RunError, match="not from 0 to 1"):
            attack(network(), noise(1) * 255, labels)


# FGSM and PGD


@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_is_the_formula(targeted: bool) -> None:
    model, labels = network(torch.float64), torch.tensor([0, 2, 1, 1])
    images = (noise(4, torch.float64) * 1.4 - 0.2).clamp(0, 1)
    x = images.clone().requires_grad_()
    F.cross_entropy(model.eval()(x), labels, reduction="sum").backward()
    assert x.grad is not None
    sign = -1 if targeted else 1
    expected = (images + sign * 0.05 * x.grad.sign()).clamp(0, 1)
    found = inspect.fgsm(model, images, labels, 0.05, targeted=targeted)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("targeted", [False, True])
def test_pgd_finds_the_worst_of_a_linear_network(targeted: bool) -> None:
    """There it is a corner of the budget, wherever the start lies."""
    linear = nn.Linear(48, 2)
    model = nn.Sequential(nn.Flatten(), linear)
    images, labels = noise(5), torch.tensor([0, 1, 0, 1, 0])
    weight = linear.weight.detach()
    towards = (weight[1] - weight[0]).sign().view(3, 4, 4)
    away = torch.where(labels == 0, 1.0, -1.0).view(-1, 1, 1, 1) * towards
    expected = (images + 0.1 * (-away if targeted else away)).clamp(0, 1)
    torch.testing.assert_close(inspect.pgd(model, images, labels, 0.1, targeted=targeted), expected)


def test_pgd_is_reproducible_and_gains_by_restarts() -> None:
    model, images, labels = network(), noise(32), torch.arange(32) % 3

    def loss(restarts: int, seed: int = 3) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        found = inspect.pgd(model, images, labels, 0.05, steps=1, restarts=restarts, generator=generator)
        with inspect.evaluating(model):
            logits: Tensor = model(found).detach()
        own = F.one_hot(labels, 3).bool()
        return logits.masked_fill(own, -math.inf).amax(1) - logits[own]

    assert torch.equal(loss(1), loss(1))
    assert not torch.equal(loss(1), loss(1, seed=4))
    assert (loss(4) >= loss(1)).all() and (loss(4) > loss(1)).any()


# Ascent


def assert_rises(model: nn.Module, images: Tensor, targets: Tensor, found: inspect.Attack) -> None:
    def score(x: Tensor) -> Tensor:
        with torch.no_grad(), inspect.evaluating(model):
            scores: Tensor = model(x).gather(1, targets[:, None])[:, 0]
        return scores

    assert [len(scores) - 1 for scores in found.scores] == found.steps.tolist()
    assert all((scores[1:] > scores[:-1]).all() for scores in found.scores)
    torch.testing.assert_close(torch.stack([scores[0] for scores in found.scores]), score(images))
    torch.testing.assert_close(torch.stack([scores[-1] for scores in found.scores]), score(found.images))
    assert torch.equal(found.reached, predicted(model, found.images) == targets)
    assert found.images.min() >= 0 and found.images.max() <= 1


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    step_size=st.floats(1e-3, 30), steps=st.integers(1, 30), extra=st.integers(0, 3), seed=st.integers(0, 99)
)
def test_each_step_raises_the_score(step_size: float, steps: int, extra: int, seed: int) -> None:
    model, images = network(torch.float64), noise(6, torch.float64, seed)
    targets = (predicted(model, images) + 1) % 3
    with torch.no_grad():  # as callers may have it
        found = inspect.attack(model, images, targets, steps=steps, extra=extra, step_size=step_size)
    assert_rises(model, images, targets, found)
    assert found.steps.max() <= steps


def test_steps_are_normalised_gradients() -> None:
    model, images = network(torch.float64), noise(4, torch.float64) * 0.4 + 0.3
    targets = (predicted(model, images) + 1) % 3
    found = inspect.attack(model, images, targets, steps=1, step_size=0.01)
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.eval()(x).gather(1, targets[:, None]).sum(), x)
    norms = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(found.images, images + 0.01 * gradient / norms)


def test_extra_steps_after_the_target_is_reached() -> None:
    model, images = network(), noise(16)
    targets = (predicted(model, images) + 1) % 3
    bare, more = (inspect.attack(model, images, targets, extra=extra) for extra in (0, 2))
    assert bare.reached.all() and more.reached.all()
    assert torch.equal(more.steps, bare.steps + 2)
    for row, count in enumerate(bare.steps.tolist()):  # not reached a step before
        before = inspect.attack(model, images[row, None], targets[row, None], extra=0, steps=count - 1)
        assert count == 1 or not before.reached.item()
    # An image that is the target already takes only the extra steps.
    assert inspect.attack(model, images, predicted(model, images), extra=2).steps.tolist() == [2] * 16


def test_where_nothing_leads_up() -> None:
    """A network that sees nothing gives no gradient; one that sees a single white pixel can't go on."""
    linear = nn.Linear(48, 3)
    blind = nn.Sequential(nn.Flatten(), linear)
    nn.init.zeros_(linear.weight)
    with torch.no_grad():
        linear.bias.copy_(torch.tensor([1.0, 0, 0]))
    found = inspect.attack(blind, noise(2), torch.tensor([1, 2]))
    assert not found.reached.any() and not found.steps.any()
    assert torch.equal(found.images, noise(2))
    with torch.no_grad():
        linear.weight[1, 0] = 0.5
    white = noise(1)
    white[0, 0, 0, 0] = 1
    assert inspect.attack(blind, white, torch.tensor([1])).steps.tolist() == [0]


def test_nothing_is_left_behind() -> None:
    model, images, labels = network().train(), noise(4), torch.tensor([0, 1, 2, 0])
    given = images.clone().requires_grad_()
    with unchanged(model):
        inspect.attack(model, given, labels, steps=3)
        inspect.fgsm(model, given, labels)
        inspect.pgd(model, given, labels)
        inspect.robustness(model, [(given, labels)], [0.1])
    assert torch.equal(given, images) and given.grad is None


def test_styles_give_the_same() -> None:
    small = build("network n\ninput 3x4x4\nclasses 3\nlayers { conv(8, 3), bn, relu, flatten, linear(3) }")
    opened: list[Inspected] = []
    parameters: list[Tensor] = []
    for style in STYLES:
        model = create_model(small, style, 0, torch.device("cpu"))
        parameters = parameters or model.parameters
        with torch.no_grad():
            for tensor, shared in zip(model.parameters, parameters, strict=True):
                tensor.copy_(shared)
        opened.append(Inspected(small, model))
    plain = small.module()
    with torch.no_grad():
        for tensor, shared in zip(plain.parameters(), parameters, strict=True):
            tensor.copy_(shared)
    images = noise(8)
    targets = (predicted(plain, images) + 1) % 3
    expected = inspect.attack(plain, images, targets)
    labels = predicted(plain, images)
    for own in opened:
        found = inspect.attack(own, images, targets)
        torch.testing.assert_close(found.images, expected.images)
        assert torch.equal(found.steps, expected.steps)
        torch.testing.assert_close(inspect.fgsm(own, images, labels), inspect.fgsm(plain, images, labels))


# Robustness


def independent_pgd(model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int) -> Tensor:
    """By the paper, in float64, with none of the project's functions."""
    start = torch.empty_like(x).uniform_(-eps, eps, generator=torch.Generator().manual_seed(99))
    z = (x + start).clamp(0, 1)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        F.cross_entropy(model(z), y, reduction="sum").backward()
        assert z.grad is not None
        with torch.no_grad():
            z = z + 2.5 * eps / steps * z.grad.sign()
            z = torch.max(torch.min(z, x + eps), x - eps).clamp(0, 1)
    return z.detach()


def test_robustness_agrees_with_an_independent_pgd(trained: Path) -> None:
    run = open_run(trained / "module")
    model = inspect.open_run(trained / "module").double()
    test = run.data(Console(quiet=True)).test
    parts = [(x.double(), y) for x, y in batches(test, 100, torch.device("cpu"))]
    budgets = [0.05, 0.02, 0.1]
    generator = torch.Generator().manual_seed(0)
    found = inspect.robustness(model, iter(parts), budgets, generator=generator)
    assert [row.eps for row in found] == [0, 0.02, 0.05, 0.1]
    x, y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    standing = predicted(model, x) == y
    expected = [standing.sum().item()]
    for eps in sorted(budgets):
        standing &= predicted(model, independent_pgd(model, x, y, eps, 10)) == y
        expected.append(standing.sum().item())
    assert found[0].right == expected[0] and found[0].images == len(test)
    # Of 360 images; the random starts are others.
    assert [row.right for row in found] == pytest.approx(expected, abs=4)
    assert expected[0] > expected[1] > expected[2] > expected[3]
    # More steps and starts can only help the attacker, up to chance.
    strong = inspect.robustness(model, parts[:1], [0.05], steps=20, restarts=2, generator=generator)
    weak = inspect.robustness(model, parts[:1], [0.05], steps=1, generator=generator)
    assert strong[1].right <= weak[1].right + 1


# Real images


@pytest.fixture
def seeing(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run that has seen 3,600 photographs."""
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    options = ["--epochs", "1", "--optimizer", "sgd(lr=3e-3, momentum=0.9, nesterov=yes)", "--batch", "32"]
    arguments = ["train", "three_layer_convnet", "--data", f"folder:{photographs}", "--run", tmp_path / "run"]
    result = netdsl(*arguments, *options)
    assert result.exit_code == 0, result.output
    yield tmp_path / "run"


def test_real_images_are_taken_for_what_one_likes(seeing: Path) -> None:
    model = inspect.open_run(seeing)
    test = open_run(seeing).data(Console(quiet=True)).test
    rows = torch.arange(100) * len(test) // 100
    ((images, _),) = batches(test[rows], 100, torch.device("cpu"))
    # Any of the nine classes that it isn't taken for now.
    others = torch.randint(1, 10, (100,), generator=torch.Generator().manual_seed(0))
    targets = (predicted(model, images) + others) % 10
    found = inspect.attack(model, images, targets)
    assert found.reached.float().mean() >= 0.9
    assert_rises(model, images, targets, found)
    # Little has changed: a fortieth of the scale in each value, on the average of squares.
    assert (found.images - images).flatten(1).square().mean(1).sqrt().median() < 1 / 40
