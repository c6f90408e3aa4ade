"""Networks that are opened: nothing of the caller's changes, and weights without sense are refused."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from netdsl import inspect
from netdsl.runtime import checkpoint
from netdsl.runtime.errors import RunError
from tests.support.building import small
from tests.support.commands import netdsl


@pytest.fixture
def diverged(trained: Path, tmp_path: Path) -> Path:
    """A run with a weight that isn't a number."""
    folder = shutil.copytree(trained / "module", tmp_path / "diverged")
    file = folder / "best.safetensors"
    state, metadata = checkpoint.load(file), checkpoint.metadata(file)
    next(tensor for tensor in state.values() if tensor.dim() == 4)[0, 0, 0, 0] = torch.nan
    checkpoint.save(file, state, metadata)
    return folder


def test_weights_that_are_not_finite_are_refused(diverged: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="best.safetensors are not finite numbers") as error:
        inspect.open_run(diverged)
    assert "train it again" in error.value.help
    assert inspect.open_run(diverged, "last").classes  # those are whole
    network = small("layers { conv(4, 3), bn, relu }")
    state = network.module().state_dict()
    next(tensor for name, tensor in state.items() if name.endswith("running_var")).fill_(torch.inf)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(RunError, match="weights.pth are not finite numbers"):
        inspect.open_weights(network, tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "command",
    [
        ("saliency", "test:0"),
        ("dream",),
        ("attack", "test:0", "--target", "3"),
        ("robustness",),
        ("features",),
    ],
)
def test_commands_refuse_them_too(command: Sequence[str], diverged: Path, tmp_path: Path) -> None:
    name, *rest = command
    result = netdsl(name, diverged, *rest, "-o", tmp_path / "out.png", "--format", "json")
    assert result.exit_code == 1 and not result.stdout and not (tmp_path / "out.png").exists()
    assert "are not finite numbers" in result.stderr


def test_random_numbers_of_the_caller_go_on(trained: Path, tmp_path: Path) -> None:
    network = small("layers { conv(4, 3) }")
    torch.save(network.module().state_dict(), tmp_path / "weights.pth")
    before = torch.get_rng_state()
    for style in ("module", "functional"):
        inspect.open_run(trained / style)
    inspect.open_weights(network, tmp_path / "weights.pth")
    assert torch.equal(torch.get_rng_state(), before)
