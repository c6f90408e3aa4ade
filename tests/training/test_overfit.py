"""A handful of images is learnt by heart, or the reason is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.training import overfit
from netdsl.training.overfit import Attempt, diagnosis
from tests.support.commands import netdsl

FP32 = ("--device", "cpu", "--precision", "fp32", "--overfit", 40)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overfit, "_EPOCHS", 60)


@pytest.mark.parametrize("style", ["module", "functional"])
def test_a_good_network_learns_them(style: str) -> None:
    options = ("--augment", "flip, cutout(6)", "--optimizer.weight_decay", "1", "--schedule", "cosine")
    result = netdsl("train", "normed.net", *FP32, *options, "--style", style)
    assert result.exit_code == 0, result.output
    assert "40 images in batches of 20" in result.output
    assert "can learn these images by heart" in result.output
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("lr", "reason", "way_out"),
    [
        ("1e-4", "the learning rate 0.0001 is too low: at 0.001", "--optimizer.lr 0.001"),
        ("1e-8", "the loss does not change", "--optimizer.lr 1e-05"),
        ("100", "the learning rate 100 is too high", "--optimizer.lr 10"),
        ("1e17", "the learning rate 1e+17 is too high", "--optimizer.lr 1e+16"),
    ],
)
def test_a_wrong_learning_rate_is_named(lr: str, reason: str, way_out: str) -> None:
    result = netdsl("train", "plain.net", *FP32, "--optimizer.lr", lr)
    assert result.exit_code == 1
    assert reason in result.output and way_out in result.output


def test_weights_that_are_zero_are_named() -> None:
    zero = Path("plain.net").read_text() + "init kaiming { conv zeros\n linear zeros }\n"
    Path("zero.net").write_text(zero)
    result = netdsl("train", "zero.net", *FP32)
    assert result.exit_code == 1
    assert "no gradient reaches conv.weight, fc.weight" in result.output
    assert "use `init kaiming`" in result.output


def test_a_last_layer_of_zeros_is_a_good_start() -> None:
    Path("last.net").write_text(Path("plain.net").read_text() + "init kaiming { linear zeros }\n")
    assert netdsl("train", "last.net", *FP32).exit_code == 0


def test_it_goes_with_one_network_and_leaves_no_run() -> None:
    assert netdsl("train", "plain.net", "normed.net", *FP32).exit_code == 2
    assert netdsl("train", "plain.net", *FP32, "--run", "out").exit_code == 2
    many = netdsl("train", "plain.net", "--overfit", 5000)
    assert many.exit_code == 2 and "5000 is not in the range 2<=x<=1000" in many.output


def attempt(lr: float, loss: float, **changes: object) -> Attempt:
    facts: dict[str, object] = {
        "lr": lr,
        "steps": 10,
        "metric": "accuracy",
        "score": 0.3,
        "enough": 0.99,
        "first_loss": 2.3,
        "last_loss": loss,
        "loss": loss,
        "before": {"first": 1.0, "last": 1.0},
        "after": {"first": 1.0, "last": 1.0},
    }
    return Attempt(**(facts | changes))  # type: ignore[arg-type]


def reason(first: Attempt, lower: float = 1.9, higher: float = 1.9) -> str:
    return diagnosis(first, [attempt(0.01, lower), attempt(1.0, higher)], 10)[0]


def test_diagnoses() -> None:
    assert "not finite" in reason(attempt(0.1, 1.5, first_loss=float("nan")))
    assert "vanish on their way to first" in reason(attempt(0.1, 1.5, before={"first": 1e-9, "last": 1.0}))
    assert "the first loss is 50" in reason(attempt(0.1, 1.5, first_loss=50.0))
    assert "too high: at 0.01" in reason(attempt(0.1, 1.5), lower=0.2)
    assert "too low: at 1 " in reason(attempt(0.1, 1.5), higher=0.2)
    assert "it stays at accuracy 30.0%" in reason(attempt(0.1, 1.5))
