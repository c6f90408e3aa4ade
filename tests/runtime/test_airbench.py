"""The mathematics of airbench94 (Jordan 2024, arXiv 2404.00498) beside its formulas, in plain PyTorch."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import netdsl
from netdsl.language.recipe import Crop, Flip, FlipView, Recipe, TranslateView
from netdsl.runtime import augment
from netdsl.runtime.average import build_average
from netdsl.runtime.loop import images_of, length
from netdsl.runtime.model import ModuleModel
from netdsl.runtime.optim import build, learning_rate
from netdsl.runtime.views import over_views
from netdsl.runtime.whitening import whitening
from netdsl.trained.initial_weights import tuning
from tests.codegen.test_initialisation import STYLES, parameters
from tests.support.building import build as network_of

NETWORK = netdsl.load("airbench94", width=8)
RECIPE = NETWORK.recipe
IMAGES = 50_000
# 48 whole batches an epoch, 9.9 epochs.
STEPS = math.ceil(9.9 * 48)


def test_the_steps_are_those_of_whole_batches() -> None:
    sizes = [images_of(epoch, RECIPE, IMAGES) for epoch in range(10)]
    assert sizes == [48 * 1024] * 9 + [(STEPS - 9 * 48) * 1024]
    assert length(RECIPE, IMAGES) == STEPS / 48
    half = Recipe(epochs=0.5, batch=10)
    assert images_of(0, half, 95) == 50 and length(half, 95) == 50 / 95
    tenths = [Recipe(epochs=1 + tenth / 10, batch=10) for tenth in range(1, 11)]
    assert [images_of(1, recipe, 100) for recipe in tenths] == list(range(10, 101, 10))
    # The smallest part of an epoch is a batch.
    assert images_of(0, Recipe(epochs=1e-9, batch=10), 95) == 10
    assert images_of(2, Recipe(epochs=2 + 1e-9, batch=10), 95) == 10
    assert [images_of(epoch, Recipe(epochs=3, batch=10), 95) for epoch in range(5)] == [95] * 5


def test_the_filters_whiten_patches() -> None:
    torch.manual_seed(0)
    mixed = torch.randn(3, 3) @ torch.randn(3, 50 * 9 * 9)
    images = F.avg_pool2d(mixed.view(3, 50, 9, 9).transpose(0, 1), 2, 1)
    found = whitening(images.split(7), 24, (2, 2), eps=1e-3)
    assert found.shape == (24, 3, 2, 2) and torch.equal(found[12:], -found[:12])
    corners = product(range(7), range(7))
    patches = torch.cat([images[:, :, y : y + 2, x : x + 2].flatten(1) for y, x in corners]).double()
    covariance = patches.T @ patches / len(patches)
    filters = found[:12].flatten(1).double()
    # The filters v / sqrt(e + eps) are eigenvectors: their outputs on patches have variances e / (e + eps).
    outputs = filters @ covariance @ filters.T
    values = torch.linalg.eigvalsh(covariance).flip(0)
    torch.testing.assert_close(outputs, torch.diag(values / (values + 1e-3)), atol=1e-4, rtol=1e-4)
    few = whitening([images], 6, (2, 2), eps=1e-3)
    torch.testing.assert_close(few[:3].abs(), found[:3].abs(), atol=1e-4, rtol=1e-4)


def test_the_learning_rate_is_a_triangle() -> None:
    """From a fifth of 11.5 / 1024 / (1 + 1 / (1 - 0.85)) a sample up at 23 % of the steps, down to 7 %."""
    peak, top = 11.5 / (1024 * (1 + 1 / 0.15)), int(0.23 * STEPS)
    for step in (0, 1, 50, top - 1, top, top + 1, 300, STEPS):
        rising = 0.2 + 0.8 * step / top
        expected = rising if step < top else 1 - 0.93 * (step - top) / (STEPS - top)
        # The gradient of a batch's mean loss is a 1024th of that of its sum.
        found = learning_rate(RECIPE.schedule, RECIPE.optimizer.lr, step / 48, length(RECIPE, IMAGES))
        assert found == pytest.approx(1024 * peak * expected, rel=1e-6)


def test_weights_are_updated_by_kind() -> None:
    """Nesterov's SGD of the summed loss: norms have 64 times the rate, the decay of all is the same, and the
    biases of whitening stay as they are after three epochs.
    """
    torch.manual_seed(0)
    module = NETWORK.module()
    lr = 11.5 / (1024 * (1 + 1 / 0.15))
    decay = 0.0153 * 1024 / (1024 * (1 + 1 / 0.15))
    state = {n: [p.detach().double(), torch.zeros_like(p).double()] for n, p in module.named_parameters()}
    rates = tuning(NETWORK, None).rates
    optimizer = build(list(module.parameters()), RECIPE.optimizer, fused=True, rates=rates)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    for step, epoch in enumerate((0.0, 1.0, 2.99, 3.0, 4.0)):
        share = 1 - step / 10
        for name, p in module.named_parameters():
            if not p.requires_grad:
                continue
            gradient = torch.randn_like(p)  # of the mean loss
            p.grad = gradient.clone()
            if name == "whiten.bias" and epoch >= 3:
                continue
            own = lr * (64 if "norm" in name else 1)
            weight, momentum = state[name]
            summed = 1024 * gradient.double() + decay / own * weight
            momentum.mul_(0.85).add_(summed)
            weight.sub_(share * own * (summed + 0.85 * momentum))
        optimizer.step(share * RECIPE.optimizer.lr, None, epoch)
    for name, p in module.named_parameters():
        torch.testing.assert_close(p.detach().double(), state[name][0], atol=2e-5, rtol=2e-5, msg=name)
    changed = {name for name, p in module.named_parameters() if not torch.equal(p, before[name])}
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    assert changed == before.keys() - frozen
    norms = {f"stage{stage}.norm{norm}.weight" for stage in (1, 2, 3) for norm in (1, 2)}
    assert frozen == {"whiten.weight", *norms}


def test_lookahead_looks_less_and_less_ahead() -> None:
    """Every five steps the slow weights and statistics become 0.95^5 (t / T)^3 of the old ones."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = build_average(RECIPE.average, ModuleModel(module))
    assert average is not None

    def values() -> dict[str, Tensor]:
        return {n: t.detach().clone() for n, t in module.state_dict().items() if t.is_floating_point()}

    slow = values()
    for step in range(1, 25):
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.detach().add_(1)
        fast = values()
        average.update(step / 24)
        if step % 5 == 0:
            kept = 0.95**5 * (step / 24) ** 3
            slow = {n: kept * slow[n] + (1 - kept) * fast[n] for n in slow}
            fast = slow
        for name, value in values().items():
            torch.testing.assert_close(value, fast[name], msg=name)
    with average.applied():
        for name, value in values().items():
            torch.testing.assert_close(value, slow[name], msg=name)


def test_batches_are_flipped_in_turns_and_translated() -> None:
    """One half of the images is mirrored in even epochs, the other half in odd ones; then a crop of the image
    with two mirrored pixels around it.
    """
    torch.manual_seed(0)
    images, steps = torch.rand(20, 3, 6, 6), (Flip(alternating=True), Crop(2, "reflect"))
    assert RECIPE.augment == steps
    first = augment.draw(steps, 20, (6, 6), 0, seed=3).steps[0]
    assert 0 < first.sum() < 20
    mirror = [2, 1, 0, 1, 2, 3, 4, 5, 4, 3]
    for epoch in range(4):
        draws = augment.draw(steps, 20, (6, 6), epoch, seed=3)
        flipped, corners = draws.steps
        assert torch.equal(flipped, first if epoch % 2 == 0 else ~first)
        found, _ = augment.apply(images, torch.zeros(20, dtype=torch.int64), steps, draws, torch.zeros(3))
        for image, mirrored, (top, left), own in zip(images, flipped, corners.tolist(), found, strict=True):
            image = image.flip(2) if mirrored else image
            rows, columns = mirror[top : top + 6], mirror[left : left + 6]
            assert torch.equal(own, image[:, rows][:, :, columns])


def test_logits_are_averaged_over_six_views() -> None:
    """The image and its mirror image count a quarter each, and those moved by a pixel an eighth each."""
    torch.manual_seed(0)
    module = NETWORK.module().eval()
    x = torch.randn(4, 3, 32, 32)
    around = [1, *range(32), 30]
    moved = [x[:, :, around[i : i + 32]][:, :, :, around[i : i + 32]] for i in (0, 2)]

    def both(images: Tensor) -> Tensor:
        mean: Tensor = (module(images) + module(images.flip(3))) / 2
        return mean

    with torch.no_grad():
        (found,) = over_views(lambda images: (module(images),), x, RECIPE.tta)
        expected = both(x) / 2 + (both(moved[0]) + both(moved[1])) / 4
        torch.testing.assert_close(found, expected)
        (half,) = over_views(lambda images: (module(images),), x, (TranslateView(),))
        torch.testing.assert_close(half, module(x) / 2 + (module(moved[0]) + module(moved[1])) / 4)
    constant = torch.ones(2, 5)
    for views in ((), (FlipView(),), (TranslateView(2), FlipView()), (TranslateView(1), TranslateView(3))):
        assert torch.equal(over_views(lambda images: (constant,), x, views)[0], constant)


@pytest.mark.parametrize("style", STYLES)
def test_convolutions_begin_as_the_identity(style: str) -> None:
    torch.manual_seed(0)
    text = (
        "network n\ninput 24x8x8\nstem { conv(40, 3, bias=no) }\ninit pytorch { conv dirac(rest=pytorch) }\n"
    )
    (weight,) = parameters(network_of(text), style).values()
    image = torch.randn(1, 24, 8, 8)
    assert torch.equal(F.conv2d(image, weight, padding=1)[:, :24], image)
    rest = weight[24:]
    assert rest.abs().max() <= (24 * 9) ** -0.5
    assert rest.std().item() == pytest.approx((3 * 24 * 9) ** -0.5, rel=0.05)
