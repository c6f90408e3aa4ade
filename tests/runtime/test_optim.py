from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from netdsl.language.recipe import Adam, AdamW, Constant, Cosine, Muon, OneCycle, Sgd, Step
from netdsl.runtime import checkpoint
from netdsl.runtime.errors import RunError
from netdsl.runtime.optim import Optimizer, build, learning_rate


def test_constant_and_step() -> None:
    assert learning_rate(Constant(), 0.1, 7.5, 10) == 0.1
    step = Step(at=(6, 8), factor=0.1)
    rates = [learning_rate(step, 1.0, epoch, 10) for epoch in (0, 5.99, 6, 7.99, 8, 9.99)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine() -> None:
    rates = [learning_rate(Cosine(warmup=2), 1.0, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert learning_rate(Cosine(), 1.0, 0, 10) == 1


def test_onecycle() -> None:
    rates = [learning_rate(OneCycle(warmup=2), 1.0, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize("schedule", [Cosine(warmup=3), OneCycle(warmup=3)])
def test_a_warmup_longer_than_the_training_only_rises(schedule: Cosine | OneCycle) -> None:
    rates = [learning_rate(schedule, 1.0, epoch, 3) for epoch in (0, 1.5, 3)]
    assert rates == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Constant(warmup=4), [0, 0.25, 1, 1, 1]),
        (Step(at=(6,), factor=0.5, warmup=4), [0, 0.25, 1, 0.5, 0.5]),
        (Step(at=(1,), factor=0.5, warmup=4), [0, 0.125, 0.5, 0.5, 0.5]),
        (Cosine(warmup=4), [0, 0.25, 1, 0.5, 0]),
        (OneCycle(warmup=4), [0, 0.25, 1, 0.5, 0]),
    ],
)
def test_warmup(schedule: Constant | Step | Cosine | OneCycle, rates: list[float]) -> None:
    found = [learning_rate(schedule, 2.0, epoch, 8) / 2 for epoch in (0, 1, 4, 6, 8)]
    assert found == pytest.approx(rates)


def network(frozen: tuple[int, ...] = ()) -> list[Tensor]:
    """Weights as a network has them on its device: a convolution and its norm, a second one, one with a
    kernel of one pixel, a depthwise one, a scale of maps, a hidden and a last linear layer with its bias.
    """
    generator = torch.Generator().manual_seed(0)
    kernels: list[tuple[int, ...]] = [(6, 6, 3, 2), (8, 6, 1, 1), (8, 1, 3, 3)]
    shapes = [(6, 3, 3, 2), (6,), (6,), *kernels, (8, 1, 1), (5, 8), (2, 5), (2,)]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    weights = [w.to(memory_format=torch.channels_last) if w.dim() == 4 else w for w in weights]
    return [weight.requires_grad_(i not in frozen) for i, weight in enumerate(weights)]


def gradients(weights: list[Tensor], step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(weight.shape, generator=generator) for weight in weights]


def advance(weights: list[Tensor], optimizer: Optimizer, steps: range, lr: float = 0.1) -> list[Tensor]:
    """Steps with gradients that autograd makes, and a falling learning rate."""
    for step in steps:
        products = zip(weights, gradients(weights, step), strict=True)
        sum(((weight * gradient).sum() for weight, gradient in products), torch.zeros(())).backward()
        optimizer.step(lr / (1 + step))
        assert all(weight.grad is None for weight in weights)
    return [weight.detach().clone() for weight in weights]


def torchs(optimizer: torch.optim.Optimizer, weights: list[Tensor]) -> None:
    """Three steps written out."""
    for step in range(3):
        for weight, gradient in zip(weights, gradients(weights, step), strict=True):
            # In the weight's layout, as autograd gives it and fused kernels need it.
            weight.grad = torch.empty_like(weight, requires_grad=False).copy_(gradient)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (1 + step)
        optimizer.step()


FUSED = pytest.mark.parametrize("fused", [True, False])


@FUSED
@pytest.mark.parametrize(
    ("recipe", "kind", "arguments"),
    [
        (Sgd(weight_decay=0.1), torch.optim.SGD, {"weight_decay": 0.1}),
        (
            Sgd(momentum=0.9, nesterov=True, weight_decay=0.1),
            torch.optim.SGD,
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        ),
        (Adam(weight_decay=0.1), torch.optim.Adam, {"weight_decay": 0.1}),
        (AdamW(weight_decay=0.2), torch.optim.AdamW, {"weight_decay": 0.2}),
    ],
)
def test_updates_are_torchs(recipe: Any, kind: Any, arguments: dict[str, Any], fused: bool) -> None:
    ours, theirs = network(), network()
    found = advance(ours, build(ours, recipe, fused=fused), range(3))
    torchs(kind(theirs, fused=fused, **arguments), theirs)
    assert all(torch.equal(a, b) for a, b in zip(found, theirs, strict=True))


def test_plain_sgd_is_the_textbooks() -> None:
    weight, frozen = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([3.0])
    optimizer = build([weight, frozen], Sgd(lr=1.0, weight_decay=0.1), fused=True)
    for lr in (0.5, 0.25):
        (weight**2).sum().backward()
        optimizer.step(lr)
    # By hand: w - lr * (2 w + 0.1 w), twice.
    factor = (1 - 0.5 * 2.1) * (1 - 0.25 * 2.1)
    torch.testing.assert_close(weight.detach(), factor * torch.tensor([1.0, -2.0]))
    assert frozen.item() == 3


def columns(weight: Tensor) -> Tensor:
    """A copy as a matrix, its columns in the order of the memory."""
    return (weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight).detach().flatten(1).clone()


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_muon_takes_convolutions_as_matrices(layout: torch.memory_format) -> None:
    weights = network()
    for weight in weights:
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=layout)
    hidden, others = [3, 4, 5, 7], [0, 1, 2, 6, 8, 9]  # 0 and 8, the first and the last layer's, are AdamW's.
    flat = columns if layout == torch.channels_last else lambda weight: weight.detach().flatten(1).clone()
    matrices = {i: flat(weights[i]) for i in hidden}
    rest = {i: weights[i].detach().clone() for i in others}
    muon = torch.optim.Muon(matrices.values(), momentum=0.9, weight_decay=0.1)
    # As in the code of the author.
    options: dict[str, Any] = {"betas": (0.9, 0.95), "eps": 1e-10, "weight_decay": 0.1}
    adamw = torch.optim.AdamW(rest.values(), **options, fused=True)
    recipe = Muon(lr=0.5, momentum=0.9, weight_decay=0.1, adamw_lr=0.25)
    found = advance(weights, build(weights, recipe, fused=True), range(3), lr=0.1)
    for step in range(3):
        for i, gradient in enumerate(gradients(weights, step)):
            if i in matrices:
                matrices[i].grad = flat(torch.empty_like(weights[i]).copy_(gradient))
            else:
                rest[i].grad = torch.empty_like(rest[i]).copy_(gradient)
        muon.param_groups[0]["lr"] = 0.1 / (1 + step)
        adamw.param_groups[0]["lr"] = 0.05 / (1 + step)  # The same share of its own.
        muon.step()
        adamw.step()
    for i in hidden:
        assert torch.equal(flat(found[i]), matrices[i])
    for i in others:
        torch.testing.assert_close(found[i], rest[i])


def test_muon_without_hidden_layers_is_adamw() -> None:
    ours, theirs = network()[7:], network()[7:]
    found = advance(ours, build(ours, Muon(lr=1.0, adamw_lr=1.0), fused=True), range(3))
    torchs(torch.optim.AdamW(theirs, betas=(0.9, 0.95), eps=1e-10, weight_decay=0, fused=True), theirs)
    assert all(torch.equal(a, b) for a, b in zip(found, theirs, strict=True))
    frozen = network(frozen=(0, 1, 2, 6, 8, 9))  # And without anything else, Muon alone.
    optimizer = build(frozen, Muon(), fused=True)
    advance(frozen, optimizer, range(1))
    assert {name.partition(".")[2] for name in optimizer.state()} == {"momentum_buffer"}


RECIPES = [
    Sgd(weight_decay=0.1),
    Sgd(momentum=0.9, nesterov=True, weight_decay=0.1),
    Adam(weight_decay=0.1),
    AdamW(weight_decay=0.1),
    Muon(weight_decay=0.1),
]
EACH = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: type(recipe).__name__)


@EACH
def test_norms_and_biases_without_decay(recipe: Any) -> None:
    results = []
    for changed in (recipe, replace(recipe, decay_norms=False), replace(recipe, weight_decay=0.0)):
        weights = network()
        results.append(advance(weights, build(weights, changed, fused=True), range(3)))
    for i, (all_, kernels, none) in enumerate(zip(*results, strict=True)):
        assert not torch.equal(all_, none)
        assert torch.equal(kernels, all_ if i in (0, 3, 4, 5, 7, 8) else none)


@FUSED
@EACH
def test_a_resumed_optimizer_goes_on_bit_for_bit(recipe: Any, fused: bool, tmp_path: Path) -> None:
    recipe = replace(recipe, decay_norms=False)
    weights, resumed = network(frozen=(1, 7)), network(frozen=(1, 7))
    optimizer = build(weights, recipe, fused=fused)
    assert optimizer.state() == {}
    advance(weights, optimizer, range(3))
    checkpoint.save(tmp_path / "state", optimizer.state())
    for weight, other in zip(weights, resumed, strict=True):
        other.detach().copy_(weight.detach())
    other_optimizer = build(resumed, recipe, fused=fused)
    state = checkpoint.load(tmp_path / "state")
    other_optimizer.load_state(state)
    for value in state.values():
        value.zero_()  # Nothing is shared.
    again = advance(resumed, other_optimizer, range(3, 6))
    assert all(map(torch.equal, again, advance(weights, optimizer, range(3, 6))))
    assert torch.equal(again[1], network()[1]) and torch.equal(again[7], network()[7])


def test_muons_state_has_the_weights_shape_in_any_layout() -> None:
    weights = network()
    optimizer = build(weights, Muon(momentum=0.5), fused=True)
    advance(weights, optimizer, range(1))
    torch.testing.assert_close(optimizer.state()["003.momentum_buffer"], gradients(weights, 0)[3] / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("008.exp_avg"), "008.exp_avg"),
        (lambda state: state.update({"008.momentum_buffer": torch.zeros(2, 5)}), "008.momentum_buffer"),
        (lambda state: state.update({"099.step": torch.zeros(())}), "099.step"),
        (lambda state: state.update({"008.exp_avg": torch.zeros(5, 2)}), "008.exp_avg"),
        (lambda state: state.update({"008.step": torch.zeros(1)}), "008.step"),
    ],
)
def test_other_states_are_refused_whole(change: Any, message: str) -> None:
    weights = network()
    optimizer = build(weights, AdamW(), fused=True)
    advance(weights, optimizer, range(2))
    before = optimizer.state()
    state = {name: tensor + 1 for name, tensor in before.items()}
    change(state)
    with pytest.raises(RunError, match=message) as raised:
        optimizer.load_state(state)
    assert raised.value.help
    assert all(torch.equal(before[name], tensor) for name, tensor in optimizer.state().items())


def test_muons_state_from_before_its_first_layer_was_adamws_is_refused() -> None:
    weights = network()
    optimizer = build(weights, Muon(), fused=True)
    advance(weights, optimizer, range(1))
    state = {name: tensor for name, tensor in optimizer.state().items() if not name.startswith("000.")}
    state["000.momentum_buffer"] = torch.zeros_like(weights[0], requires_grad=False)
    with pytest.raises(
        RunError, match="`000.momentum_buffer` of the optimizer's state does not match"
    ) as raised:
        optimizer.load_state(state)
    assert "version" in raised.value.help


def test_a_weight_without_gradient_has_no_state() -> None:
    used, unused = network()[8:]
    optimizer = build([used, unused], Adam(), fused=True)
    used.sum().backward()
    optimizer.step(0.1)
    assert {name.partition(".")[0] for name in optimizer.state()} == {"000"}
    build([used, unused], Adam(), fused=True).load_state(optimizer.state())


def test_contradictions_are_errors() -> None:
    with pytest.raises(RunError, match="nesterov"):
        build(network(), Sgd(nesterov=True), fused=True)
    with pytest.raises(RunError, match="no weights to train"):
        build([torch.zeros(2)], Sgd(), fused=True)
