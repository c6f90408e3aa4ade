from __future__ import annotations

import pytest
import torch

from netdsl.recipe import Adam, AdamW, Constant, Cosine, OneCycle, Sgd, Step
from netdsl.runtime.errors import RunError
from netdsl.runtime.optim import build, learning_rate


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


def weights() -> list[torch.Tensor]:
    return [torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([3.0])]


def test_manual_update_is_torchs_sgd() -> None:
    results = []
    for manual in (True, False):
        weight, frozen = weights()
        update = build([weight, frozen], Sgd(lr=1.0, weight_decay=0.1), manual=manual)
        for lr in (0.5, 0.25):
            (weight**2).sum().backward()
            update(lr)
            assert weight.grad is None
        results.append(weight.detach())
        assert frozen.item() == 3
    torch.testing.assert_close(*results)
    # By hand: w - lr * (2 w + 0.1 w), twice.
    factor = (1 - 0.5 * 2.1) * (1 - 0.25 * 2.1)
    torch.testing.assert_close(results[0], factor * torch.tensor([1.0, -2.0]))


@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        (
            Sgd(lr=1.0, momentum=0.9, nesterov=True, weight_decay=0.1),
            lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        ),
        (Adam(lr=1.0, weight_decay=0.1), lambda w: torch.optim.Adam(w, lr=0.1, weight_decay=0.1)),
        (AdamW(lr=1.0, weight_decay=0.2), lambda w: torch.optim.AdamW(w, lr=0.1, weight_decay=0.2)),
    ],
)
def test_updates_are_torchs(optimizer, reference) -> None:  # type: ignore[no-untyped-def]
    weight, other = weights()[0], weights()[0]
    update, expected = build([weight], optimizer, manual=True), reference([other])
    for _ in range(3):
        (weight**2).sum().backward()
        update(0.1)
        (other**2).sum().backward()
        expected.step()
        expected.zero_grad()
    torch.testing.assert_close(weight, other)


def test_contradictions_are_errors() -> None:
    with pytest.raises(RunError, match="nesterov"):
        build(weights(), Sgd(nesterov=True), manual=False)
    with pytest.raises(RunError, match="no weights to train"):
        build([torch.zeros(2)], Sgd(), manual=False)
