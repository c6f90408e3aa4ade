"""Attacks: their formulas and budgets, what they reach, and the commands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from torch import Tensor, nn

from netdsl import inspect
from netdsl.compiler import STYLES
from netdsl.inspect import Inspected
from netdsl.inspect.pictures import batches
from netdsl.runtime.errors import RunError
from netdsl.trained.run import create_model, open_run
from tests.building import build
from tests.commands import netdsl
from tests.test_real_images import images as photographs

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
    """Where images have the levels of files, and eps is a number of levels, rounding changes nothing."""
    images = (noise(8) * 255).round() / 255
    found = inspect.fgsm(network(), images, torch.zeros(8, dtype=torch.int64), 7 / 255)
    torch.testing.assert_close(inspect.in_8_bits(found, images, 7 / 255), found)
    # Half a level can't be written: what is within the budget is the image itself.
    found = inspect.fgsm(network(), images, torch.zeros(8, dtype=torch.int64), 0.5 / 255)
    torch.testing.assert_close(inspect.in_8_bits(found, images, 0.5 / 255), images)


@pytest.mark.parametrize("eps", [-0.1, 1.5, math.nan])
def test_budgets_without_sense(eps: float) -> None:
    with pytest.raises(RunError, match="makes no sense"):
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
    # What is the target already takes the extra steps alone.
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
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = images.clone().requires_grad_()
    inspect.attack(model, given, labels, steps=3)
    inspect.fgsm(model, given, labels)
    inspect.pgd(model, given, labels)
    inspect.robustness(model, [(given, labels)], [0.1])
    assert torch.equal(given, images) and given.grad is None
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


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


# Commands


@pytest.mark.parametrize("style", STYLES)
def test_the_command_attacks(trained: Path, tmp_path: Path, style: str) -> None:
    arguments = ["attack", trained / style, "test:0", "test:3", "--target", "5", "-o", tmp_path / "a.png"]
    result = netdsl(*arguments, "--steps", "300")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["image", "before", "after", "steps", "L2", "Linf"]
    assert [line.split()[0] for line in lines[1:3]] == ["test:0", "test:3"]
    assert [line.split()[3] for line in lines[1:3]] == ["5", "5"]
    assert lines[-1] == f"wrote {tmp_path / 'a.png'}"
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height > picture.width / 2
    found = json.loads(netdsl(*arguments, "--steps", "300", "--format", "json").output)
    assert [record["reached"] for record in found] == [True, True]
    assert all(record["after"]["class"] == "5" != record["before"]["class"] for record in found)


def test_what_resists(trained: Path, tmp_path: Path) -> None:
    arguments = ["attack", trained / "module", "test:0-2", "--target", "5", "-o", tmp_path / "a.png"]
    result = netdsl(*arguments, "--steps", "1", "--step-size", "1e-3", "--extra", "0")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: not predicted as `5`: test:0, test:1, test:2\n  = help: more `--steps`"
    )
    assert (tmp_path / "a.png").exists()


def test_budgets_of_the_command(trained: Path, tmp_path: Path) -> None:
    common = ["attack", trained / "functional", "test:0-4", "-o", tmp_path / "a.svg", "--format", "json"]
    found = {}
    for method, eps in [("fgsm", "16/255"), ("pgd", "16/255"), ("pgd", "0.2")]:
        result = netdsl(*common, "--method", method, "--eps", eps)
        records = json.loads(result.stdout)
        assert result.exit_code == (0 if all(record["reached"] for record in records) else 1)
        assert all(record["linf"] <= (0.2 if eps == "0.2" else 16 / 255) for record in records)
        assert all(
            record["reached"] == (record["before"]["class"] != record["after"]["class"]) for record in records
        )
        found[method, eps] = sum(record["reached"] for record in records)
    assert found["pgd", "0.2"] == 5 and found["pgd", "0.2"] >= found["pgd", "16/255"]


@pytest.mark.parametrize("method", [["ascent", "--target", "5"], ["pgd", "--eps", "24/255"]])
def test_saved_images_are_what_was_reported(trained: Path, tmp_path: Path, method: list[str]) -> None:
    run = trained / "module"
    arguments = ["attack", run, "test:0", "test:3", "-o", tmp_path / "a.png", "--save", tmp_path / "saved"]
    found = json.loads(netdsl(*arguments, "--method", *method, "--format", "json").stdout)
    files = sorted((tmp_path / "saved").iterdir())
    assert [file.name for file in files] == ["test-0.png", "test-3.png"]
    predictions = json.loads(netdsl("predict", run, *files, "--top", "1", "--format", "json").output)
    for record, prediction in zip(found, predictions, strict=True):
        (likeliest,) = prediction["predictions"]
        assert record["in_8_bits"]["class"] == likeliest["class"]
        assert record["in_8_bits"]["probability"] == pytest.approx(likeliest["probability"], abs=1e-5)
    if method[0] == "pgd":
        for number, file in zip((0, 3), files, strict=True):
            test = open_run(run).data(Console(quiet=True)).test
            original = test[torch.tensor([number])].images
            assert isinstance(original, Tensor)
            with Image.open(file) as image:
                pixels = torch.from_numpy(np.array(image, np.int64)).permute(2, 0, 1)
            assert (pixels - original[0].long()).abs().max() == 24
    text = netdsl(*arguments[:3], *arguments[4:6], "--save", tmp_path / "one.png", "--method", *method).output
    assert (tmp_path / "one.png").read_bytes() == files[0].read_bytes()
    assert "saved" in text.splitlines()[0]


def test_files_and_differences(trained: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ["--method", "pgd", "--eps", "0.3", "--steps", "3", "--difference-only"]
    result = netdsl("attack", trained / "module", pictures, "-o", tmp_path / "a.png", *arguments)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "a.png") as picture:  # five side by side
        assert picture.width > 1.5 * picture.height


@cache
def classified(run: Path) -> int:
    """What the first test image is taken for."""
    ((images, _),) = batches(
        open_run(run).data(Console(quiet=True)).test[torch.tensor([0])], 1, torch.device("cpu")
    )
    return int(predicted(inspect.open_run(run), images))


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["test:0", "--target", "nothing"], "there is no class `nothing`"),
        (["missing.png", "--target", "5"], "missing.png doesn't exist"),
        (["text.png", "--target", "5"], "text.png is not an image"),
        (["test:999", "--target", "5"], "the run has 360 test images"),
        (["test:0", "--target", "{label}"], "test:0 is predicted as `{label}` already"),
        (["test:0"], "add --target CLASS"),
        (["test:0", "--target", "5", "--eps", "8/255"], "--eps is not for --method ascent"),
        (["test:0", "--method", "fgsm", "--step-size", "1"], "--step-size is not for --method fgsm"),
        (["test:0", "--method", "pgd", "--extra", "1"], "--extra is not for --method pgd"),
        (["test:0", "--method", "pgd", "--eps", "8"], "write `8/255`"),
        (["test:0", "--method", "pgd", "--eps", "-1/255"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1/0"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1/00"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "1e999999999"], "is no budget"),
        (["test:0", "--method", "pgd", "--eps", "nan"], "is no budget"),
        (["test:0-100", "--method", "pgd"], "101 images have no room in one picture"),
        (["test:0-1", "--method", "pgd", "--save", "a.png"], "a.png is one file for 2 images"),
        (["test:0", "test:0", "--method", "pgd", "--save", "a"], "two images would be saved as a/test-0.png"),
        (["test:0", "--target", "5", "-o", "out.txt"], "`txt` is no picture format"),
    ],
)
def test_errors(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("no image")
    name = str(classified(trained / "module"))
    given = [argument.format(label=name) for argument in arguments]
    result = netdsl("attack", trained / "module", *(["-o", "out.png"] if "-o" not in given else []), *given)
    assert result.exit_code in (1, 2)
    assert expected.format(label=name) in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["text.png"]


def test_the_command_measures_robustness(trained: Path, tmp_path: Path) -> None:
    runs = [trained / style for style in STYLES]
    arguments = ["robustness", *runs, "--eps", "8/255,4/255", "--steps", "4"]
    result = netdsl(*arguments, "-o", tmp_path / "curve.png")
    assert result.exit_code == 0, result.output
    heading, *rows = result.output.splitlines()
    assert heading.split() == ["eps", *STYLES]
    assert [row.split()[0] for row in rows[:3]] == ["0", "4/255", "8/255"]
    assert "4 steps, 1 random start, 360 test images, seed 0" in rows[3]
    assert rows[4] == f"wrote {tmp_path / 'curve.png'}"
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (720, 480)
    found = json.loads(netdsl(*arguments, "--format", "json").output)
    assert found["attack"] == {"steps": 4, "step_size_of_eps": 0.625, "restarts": 1, "seed": 0}
    for run, shown in zip(
        found["runs"], zip(*(row.split()[1:] for row in rows[:3]), strict=True), strict=True
    ):
        points = run["points"]
        assert [point["eps"] for point in points] == [0, 4 / 255, 8 / 255]
        assert points[0]["right"] >= points[1]["right"] >= points[2]["right"]
        assert [f"{point['accuracy']:.2%}" for point in points] == list(shown)
        accuracy = re.search(r"test accuracy ([\d.]+)%", netdsl("eval", run["run"]).output)
        # That may be in bfloat16.
        assert accuracy and float(accuracy[1]) / 100 == pytest.approx(points[0]["accuracy"], abs=0.01)
    few = json.loads(netdsl("robustness", runs[0], "--images", "30", "--format", "json").output)
    assert few["runs"][0]["images"] == 30


def test_few_images_are_of_all_classes(colours: Path) -> None:
    """A folder's test images are sorted by class: the first ones would be of one alone."""
    found = json.loads(netdsl("robustness", "run", "--images", "4", "--eps", "1", "--format", "json").output)
    assert found["runs"][0]["images"] == 4
    assert found["runs"][0]["points"][0]["right"] in (2, 4)  # of each of two colours two


@pytest.mark.parametrize("eps", ["8", "", "1/255,,2/255", "4/255,x"])
def test_budgets_that_robustness_refuses(trained: Path, eps: str) -> None:
    result = netdsl("robustness", trained / "module", "--eps", eps)
    assert result.exit_code == 2 and "is no budget" in result.output


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
