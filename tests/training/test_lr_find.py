"""`netdsl lr-find`: the range test, its suggestion, and its picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

import netdsl
from netdsl.runtime.speed import SpeedRequest
from netdsl.training.lr_find import RangeTest, find_lr
from tests.support.commands import netdsl as command

FP32 = ("--device", "cpu", "--precision", "fp32", "--compile", "off")
REQUEST = SpeedRequest(device="cpu", precision="fp32", compile="off")


def range_test(**options: str) -> RangeTest:
    network = netdsl.load("normed.net")
    return find_lr(network, "module", REQUEST, 60, 1e-4, 1e3, Console(quiet=True))


def test_rates_rise_by_one_factor_until_the_loss_rises() -> None:
    found = range_test()
    factors = [after / before for before, after in zip(found.rates, found.rates[1:], strict=False)]
    assert factors == pytest.approx([(1e3 / 1e-4) ** (1 / 60)] * len(factors))
    # 160 images in batches of 20: several epochs.
    assert 8 < len(found.rates) < 60 and found.risen
    assert found.losses[-1] > 4 * min(found.losses) or found.rates[-1] < 1e3
    assert found.suggestion == found.lowest / 10
    assert 1e-3 < found.suggestion < 1


def test_the_same_test_twice_is_the_same_and_leaves_no_run() -> None:
    assert range_test() == range_test()
    assert not Path("runs").exists()


def test_a_loss_that_still_falls_is_said() -> None:
    result = command("lr-find", "plain.net", *FP32, "--steps", 20, "--low", "1e-6", "--high", "1e-3")
    assert result.exit_code == 0, result.output
    assert "has not risen: try a larger `--high`" in result.output


def test_the_command_suggests_and_draws() -> None:
    result = command("lr-find", "normed.net", *FP32, "--optimizer", "adamw", "-o", "lr.svg")
    assert result.exit_code == 0, result.output
    assert "\nsuggestion: --optimizer.lr 0." in result.output and "wrote lr.svg" in result.output
    assert Path("lr.svg").read_text().count("<svg") == 1
    assert not Path("runs").exists()


def test_a_loss_that_is_never_finite_is_an_error() -> None:
    result = command("lr-find", "plain.net", *FP32, "--low", "1e30", "--high", "1e31")
    assert result.exit_code == 1
    assert "not finite from the start" in result.output and "--low 1e+27" in result.output


def test_bounds_in_the_wrong_order_are_an_error() -> None:
    result = command("lr-find", "plain.net", "--low", "1", "--high", "0.1")
    assert result.exit_code == 2 and "must be larger" in result.output


def test_the_api_shows_a_picture(tmp_path: Path) -> None:
    found = netdsl.load("normed.net").lr_find(device="cpu", steps=30, high=1e3, optimizer="sgd")
    found.save(tmp_path / "lr.png")
    assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png" in found._repr_html_()
    assert f"{found.suggestion:.2g}" in repr(found)
