"""What the commands that look into networks refuse, before anything long and before anything is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import safetensors.torch
from safetensors import safe_open

from netdsl.inspect import pictures as pictures_of_commands
from tests.commands import netdsl

ATTACK = ("attack", "--method", "fgsm")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("saliency", "test:0", "-o", "a.png"),
        (*ATTACK, "test:0", "-o", "a.png"),
        ("dream", "-o", "a.png"),
        ("features", "-o", "a"),
        ("robustness",),
    ],
)
def test_weights_that_are_not_finite(command: tuple[str, ...], trained: Path, here: Path) -> None:
    shutil.copytree(trained / "module", "run")
    file = Path("run/best.safetensors")
    with safe_open(file, "pt") as opened:
        facts = opened.metadata()
    tensors = safetensors.torch.load_file(file)
    next(tensor for tensor in tensors.values() if tensor.dim()).view(-1)[0] = float("nan")
    safetensors.torch.save_file(tensors, file, facts)
    result = netdsl(command[0], "run", *command[1:])
    assert result.exit_code == 1 and "the weights in run/best.safetensors aren't finite" in result.output
    assert [path.name for path in here.iterdir()] == ["run"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_no_images(trained: Path, here: Path) -> None:
    os.mkfifo("pipe.png")
    result = netdsl("saliency", trained / "module", "pipe.png", "-o", "a.png")
    assert result.exit_code == 1 and "pipe.png is not an image" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("attack", "test:0", "--target", "5", "--steps"),
        ("attack", "test:0", "--target", "5", "--extra"),
        ("attack", "test:0", "--method", "pgd", "--restarts"),
        ("dream", "--blur-every"),
        ("dream", "--steps"),
        ("features", "--images"),
        ("robustness", "--images"),
        ("robustness", "--steps"),
    ],
)
def test_counts_that_nobody_waits_for(command: tuple[str, ...], trained: Path, here: Path) -> None:
    result = netdsl(command[0], trained / "module", *command[1:], "1" + "0" * 20, "-o", "a")
    assert result.exit_code == 2 and "is not in the range" in result.output


@pytest.mark.parametrize(
    "images, message",
    [
        ("test:3-1", "`test:3-1` ends before it begins\n  = help: write `test:1-3`"),
        ("test:" + "9" * 5000, "names no test images"),
        ("test:0-" + "9" * 5000, "names no test images"),
        ("test:٣", "`test:٣` names no test images"),
        ("test:0-999999999", "1,000,000,000 images have no room in one picture"),
    ],
)
def test_images_that_no_test_set_has(images: str, message: str, trained: Path, here: Path) -> None:
    result = netdsl("saliency", trained / "module", images, "-o", "a.png")
    assert result.exit_code == 1 and message in result.output


@pytest.mark.parametrize("command, most", [(("saliency", "-o", "a.png"), 100), (("features", "-o", "a"), 10)])
def test_too_many_images_are_not_decoded(
    command: tuple[str, ...], most: int, trained: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("many").mkdir()
    for number in range(101):
        Path(f"many/{number}.png").touch()
    monkeypatch.setattr(pictures_of_commands, "decode_one", None)
    result = netdsl(command[0], trained / "module", "many", "test:0", *command[1:])
    assert result.exit_code == 1, result.output
    assert f"102 images have no room in one picture\n  = help: name {most} or fewer" in result.output
