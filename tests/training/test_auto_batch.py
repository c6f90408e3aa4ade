"""`--batch auto`: the largest batch that fits, with a memory that is full from a size on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from netdsl.runtime import memory
from netdsl.runtime.train_step import TrainStep
from netdsl.training.auto_batch import largest
from tests.support.commands import netdsl

FP32 = ("--device", "cpu", "--precision", "fp32", "--compile", "off", "--epochs", 1, "--run", "runs/a")


@pytest.fixture
def full_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    gradients = TrainStep.gradients

    def fill(size: int) -> None:
        def limited(self: TrainStep, x: torch.Tensor, *others: Any) -> torch.Tensor:
            if len(x) >= size:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return gradients(self, x, *others)

        monkeypatch.setattr(TrainStep, "gradients", limited)

    return fill


def recorded(key: str) -> Any:
    return json.loads(Path("runs/a", "run.json").read_text())[key]


@pytest.mark.parametrize(("size", "batch"), [(16, 8), (5, 4), (3, 2)])
def test_the_largest_that_fits_is_used_and_recorded(
    full_from: Callable[[int], None], size: int, batch: int
) -> None:
    full_from(size)
    result = netdsl("train", "normed.net", *FP32, "--batch", "auto")
    assert result.exit_code == 0, result.output
    assert f"batch {batch} (auto: {2 * batch} images do not fit" in result.output
    assert recorded("recipe")["batch"] == batch and recorded("overrides")["batch"] == str(batch)
    reasons = json.loads(Path("runs/a/how.json").read_text())["reasons"]
    assert reasons[0].startswith(f"batch {batch} (auto")


def test_an_epoch_keeps_eight_steps() -> None:
    result = netdsl("train", "normed.net", *FP32, "--batch", "auto")
    assert "batch 16 (auto: an epoch keeps at least 8 steps)" in result.output  # of 200 images


def test_weights_begin_as_with_that_batch(full_from: Callable[[int], None]) -> None:
    full_from(9)
    netdsl("train", "normed.net", *FP32, "--batch", "auto")
    netdsl("train", "normed.net", *FP32, "--batch", "8", "--run", "runs/b")
    assert Path("runs/a/best.safetensors").read_bytes() == Path("runs/b/best.safetensors").read_bytes()


def test_two_images_that_do_not_fit_are_an_error(full_from: Callable[[int], None]) -> None:
    full_from(1)
    result = netdsl("train", "normed.net", *FP32, "--batch", "auto")
    assert result.exit_code == 1 and "a batch of 2 is too large" in result.output
    assert not Path("runs").exists()


def test_on_a_cpu_the_kept_tensors_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # An image of `plain` keeps about 2.3 KiB, which must fit twice into nine tenths.
    monkeypatch.setattr(memory, "available_memory", lambda device: 64 * 1024)
    result = netdsl("train", "plain.net", *FP32, "--batch", "auto")
    assert "batch 8 (auto: 16 images need about" in result.output


def test_a_resumed_run_keeps_its_batch() -> None:
    netdsl("train", "normed.net", *FP32, "--batch", "auto")
    result = netdsl("train", "--resume", "runs/a", "--batch", "auto")
    assert result.exit_code == 2 and "--batch auto" in result.output


def test_the_search_doubles() -> None:
    tried: list[int] = []

    def hindrance(size: int) -> str | None:
        tried.append(size)
        return "full" if size > 100 else None

    assert largest(hindrance, 1000) == (64, "full")
    assert tried == [2, 4, 8, 16, 32, 64, 128]
    assert largest(lambda size: "full", 1000) == (None, "full")


def test_available_memory_is_known_here() -> None:
    found = memory.available_memory(torch.device("cpu"))
    assert found is None or 0 < found < 2**50
