"""Class visualisation: what is increased, the steps, and what the command says of the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor, nn

from netdsl import inspect
from netdsl.api.network import Network
from netdsl.compiler import STYLES
from netdsl.inspect.dreams import ascent, blurred
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.inspect.sheets import dreams
from netdsl.inspect.sheets.captions import Answer
from netdsl.inspect.sheets.panels import Panel
from netdsl.runtime.errors import RunError
from netdsl.trained.open_run import OpenedRun, create_model
from tests.support.building import build
from tests.support.commands import netdsl
from tests.support.looking import opened, unchanged
from tests.support.samples import CPU
from tests.trained.conftest import STYLES as TRAINED

MEAN = torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64).view(3, 1, 1)
CLASSES = torch.tensor([2, 0, 3])
POOLED = """\
network pooled
input 3x8x8
classes 4
layers { conv(8, 3), bn, relu, conv(8, 3, stride=2), relu, global_avgpool, flatten, linear(classes) }
"""


def smooth() -> nn.Module:
    """A network without kinks: finite differences are exact to many digits."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 5 * 4, 4))
    return nn.Sequential(*layers).double()


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def score(model: nn.Module, image: Tensor, number: int) -> Tensor:
    """The objective for one image, as in the paper."""
    found: Tensor = model(image[None])[0, number] - 0.3 * ((image - MEAN) ** 2).sum()
    return found


def stepped(start: Tensor) -> Tensor:
    """One step of the default settings, before it is blurred."""
    _, gradient = ascent(smooth(), start, CLASSES, 0.03)
    return start + 0.05 * gradient / gradient.square().mean((1, 2, 3), keepdim=True).sqrt()


def test_the_gradient_is_that_of_the_score() -> None:
    model, start = smooth(), images()
    scores, gradient = ascent(model, start, CLASSES, 0.3, MEAN)
    assert torch.equal(scores, model(start)[torch.arange(3), CLASSES])
    step = 1e-6
    for image, number, own in zip(start, CLASSES.tolist(), gradient, strict=True):
        differences = torch.zeros(image.numel(), dtype=torch.float64)
        for pixel in range(image.numel()):
            change = torch.zeros(image.numel(), dtype=torch.float64)
            change[pixel] = step
            change = change.view_as(image)
            with torch.no_grad():
                rise = score(model, image + change, number) - score(model, image - change, number)
            differences[pixel] = rise / (2 * step)
        torch.testing.assert_close(own, differences.view_as(image), rtol=1e-7, atol=1e-8)


def test_steps_without_jitter_and_blur() -> None:
    model, start = smooth(), images()
    result = inspect.dream(
        model, CLASSES, start, steps=5, step_size=0.03, l2=0.3, mean=MEAN, jitter=0, blur_every=0
    )
    for image, number, found in zip(start, CLASSES.tolist(), result.images, strict=True):
        for _ in range(5):
            image = image.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(score(model, image, number), image)
            image = (image + 0.03 * gradient / gradient.pow(2).mean().sqrt()).clamp(0, 1)
        torch.testing.assert_close(found, image)
    assert result.scores.shape == (6, 3)
    for scores, shown in ((result.scores[0], start), (result.scores[-1], result.images)):
        torch.testing.assert_close(scores, model(shown)[torch.arange(3), CLASSES].detach())


def test_jitter_is_undone() -> None:
    """A network that doesn't care where things are sees no jitter."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
    model = nn.Sequential(convolution, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    still, shaken = (
        inspect.dream(model, CLASSES, images(), steps=8, jitter=jitter, blur_every=0) for jitter in (0, 3)
    )
    torch.testing.assert_close(shaken.images, still.images)
    # And one that does care sees other images.
    still, shaken = (
        inspect.dream(smooth(), CLASSES, images(), steps=1, jitter=jitter, blur_every=0) for jitter in (0, 3)
    )
    assert not torch.allclose(shaken.images, still.images)


def test_blur() -> None:
    constant = torch.full((2, 3, 6, 5), 0.7, dtype=torch.float64)
    torch.testing.assert_close(blurred(constant, 1.3), constant)
    inside = torch.zeros(1, 1, 15, 15, dtype=torch.float64)
    inside[0, 0, 4:9, 5:10] = torch.rand(5, 5, dtype=torch.float64)
    torch.testing.assert_close(blurred(inside, 0.9).mean(), inside.mean())
    point = torch.zeros(1, 2, 9, 9, dtype=torch.float64)
    point[0, 1, 4, 4] = 1
    spread = blurred(point, 1.0)
    assert not spread[0, 0].any()
    for down, right in ((0, 1), (2, 2), (-3, 1)):
        expected = torch.tensor(-(down**2 + right**2) / 2).exp().double()
        torch.testing.assert_close(spread[0, 1, 4 + down, 4 + right] / spread[0, 1, 4, 4], expected)
    assert torch.equal(blurred(point, 0), point)


def test_blur_comes_every_so_many_steps() -> None:
    def dreamt(steps: int, blur_every: int) -> Tensor:
        return inspect.dream(
            smooth(), CLASSES, images(), steps=steps, jitter=0, blur_every=blur_every, blur=1.0
        ).images

    assert torch.equal(dreamt(2, 3), dreamt(2, 0))
    torch.testing.assert_close(dreamt(3, 3), blurred(stepped(dreamt(2, 0)), 1.0).clamp(0, 1))


def test_the_seed_decides() -> None:
    def dreamt(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        start = inspect.noise((3, 5, 4), generator=generator).double()
        return inspect.dream(smooth(), CLASSES, start, steps=5, jitter=2, generator=generator).images

    assert torch.equal(dreamt(0), dreamt(0))
    assert not torch.allclose(dreamt(0), dreamt(1))


def test_images_stay_in_range_and_alone() -> None:
    model, start = smooth(), images(1)
    together = inspect.dream(model, CLASSES, start, steps=30, step_size=0.5, jitter=0).images
    assert together.min() == 0 and together.max() == 1
    for number, image in zip(CLASSES, together, strict=True):
        alone = inspect.dream(model, number[None], start, steps=30, step_size=0.5, jitter=0).images[0]
        torch.testing.assert_close(image, alone)


def test_nothing_is_left_behind() -> None:
    model, start = smooth().train(), images().requires_grad_()
    with unchanged(model), torch.no_grad():
        result = inspect.dream(model, CLASSES, start, steps=3)
    assert not result.images.requires_grad and not result.scores.requires_grad
    assert torch.equal(start, images()) and start.grad is None


def test_small_gradients_are_followed_too() -> None:
    """Those whose squares are zero in float32."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, 4))
    with torch.no_grad():
        model.get_parameter("1.weight").mul_(1e-24)
    start = images().float() * 0.2 + 0.4
    found = inspect.dream(model, CLASSES, start, steps=1, step_size=0.01, l2=0, jitter=0, blur_every=0)
    change = (found.images - start).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(change, torch.full((3,), 0.01))


def test_classes_that_are_none() -> None:
    with pytest.raises(RunError, match="the network has 4 classes"):
        inspect.dream(smooth(), torch.tensor([0, 4]), images(1), steps=1)


def test_a_gradient_that_is_not_finite() -> None:
    model = smooth()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(RunError, match="not finite"):
        inspect.dream(model, CLASSES, images(), steps=1)


def test_styles_agree() -> None:
    network = build(POOLED)
    start = inspect.noise((3, 8, 8), generator=torch.Generator().manual_seed(0))
    for style in STYLES:
        found = [
            inspect.dream(model, CLASSES, start, steps=10, generator=torch.Generator().manual_seed(0)).images
            for model in (opened(network, style), create_model(network, style, 0, CPU).module())
        ]
        torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


def inspected_run(network: Network) -> InspectedRun:
    run = OpenedRun(Path("run"), network, "module", {})
    return InspectedRun(run, "best", opened(network), Console())


def test_noise_of_other_sizes() -> None:
    network = build(POOLED)
    run = inspected_run(network)
    assert dreams.of_noise(run, None, 0).shape == (1, 3, 8, 8)
    assert dreams.of_noise(run, 20, 0).shape == (1, 3, 20, 20)
    vectors = build("network flat\ninput 12\nclasses 4\nlayers { linear(classes) }\n")
    run = inspected_run(vectors)
    with pytest.raises(RunError, match="the input of `flat` is a vector of 12, not an image"):
        dreams.of_noise(run, None, 0)
    with pytest.raises(RunError, match="the input of `flat` is a vector of 12, not an image"):
        dreams.of_image("test:0", run)


@pytest.mark.parametrize(
    "count, rows", [(1, [1]), (5, [5]), (6, [3, 3]), (7, [4, 3]), (10, [5, 5]), (100, [10] * 10)]
)
def test_the_sheet(count: int, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def draw(panels: Sequence[Sequence[Panel]], file: Path) -> None:
        drawn.extend(len(row) for row in panels)

    monkeypatch.setattr(dreams, "write_sheet", draw)
    one = dreams.Dreamed("cat", torch.zeros(3, 2, 2), 0.0, 1.0, 0.9, Answer("cat", 0.9))
    dreams.write_dreams([one] * count, Path("dream.png"))
    assert drawn == rows


@pytest.mark.parametrize("style", TRAINED)
def test_each_digit_is_seen_as_itself(trained: Path, tmp_path: Path, style: str) -> None:
    result = netdsl("dream", trained / style, "-o", tmp_path / "dream.png", "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [record["class"] for record in found] == [str(digit) for digit in range(10)]
    for record in found:
        assert record["predicted"] == {"class": record["class"], "probability": record["probability"]}
        assert record["probability"] > 0.9
        assert record["score"]["end"] > record["score"]["start"] + 1
    with Image.open(tmp_path / "dream.png") as sheet:
        assert sheet.width > 2 * sheet.height  # two rows of five


def test_a_dream_is_the_same_alone(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image depends neither on the other classes nor on the size of a batch."""
    arguments = (
        "dream",
        trained / "module",
        "--format",
        "json",
        "--jitter",
        "1",
        "-o",
        tmp_path / "dream.png",
    )

    def scores(*options: str) -> list[float]:
        return [record["score"]["end"] for record in json.loads(netdsl(*arguments, *options).stdout)]

    every = scores()
    monkeypatch.setattr(dreams, "_AT_ONCE", 2)
    assert scores("--class", "7", "--class", "2", "--class", "5") == pytest.approx(
        [every[number] for number in (7, 2, 5)], rel=1e-3
    )
    assert scores("--class", "7", "--seed", "1") != pytest.approx([every[7]], rel=1e-3)


def test_some_classes_from_an_image(trained: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ("dream", trained / "module", "--class", "3", "--class", "8", "--from")
    texts = []
    for source in (pictures / "0.png", "test:0"):
        result = netdsl(*arguments, source, "-o", tmp_path / "dream.png")
        assert result.exit_code == 0, result.output
        heading, *rows, last = result.stdout.splitlines()
        assert [row.split()[0] for row in rows] == ["3", "8"]
        assert last == f"wrote {tmp_path / 'dream.png'}"
        texts.append(rows)
    assert texts[0] == texts[1]
    # The scores at the start are those of the image.
    with Image.open(pictures / "0.png") as file:
        pixels = torch.tensor(list(file.convert("RGB").tobytes())).view(8, 8, 3).permute(2, 0, 1) / 255
    logits = inspect.open_run(trained / "module")(pixels[None])[0]
    starts = [float(row.split()[1]) for row in texts[0]]
    assert starts == pytest.approx([float(logits[3]), float(logits[8])], abs=0.006)


def test_an_image_that_is_not_of_its_class(trained: Path, pictures: Path, tmp_path: Path) -> None:
    """It is drawn all the same, but the status says so."""
    options = ("--from", pictures / "0.png", "--steps", "1", "--step-size", "1e-4", "--class", "5")
    result = netdsl("dream", trained / "module", *options, "-o", tmp_path / "dream.png")
    assert result.exit_code == 1
    assert "error: not predicted as its class: 5" in result.stderr
    assert (tmp_path / "dream.png").exists()


@pytest.mark.parametrize(
    "options, status, message",
    [
        (["--class", "ten"], 1, "there is no class `ten`\n  = help: the network's are 0, 1, 2"),
        (["--from", "absent.png"], 1, "absent.png: no such file"),
        (["--from", "test:0-2"], 1, "`test:0-2` is 3 images, not one"),
        (["--from", "test:9999"], 1, "the run has"),
        (
            ["--size", "16"],
            1,
            "`small` takes no images of 16x16\n  = help: remove `--size`: they are 8x8",
        ),
        (["--size", "8", "--from", "test:0"], 2, "--size is for noise"),
        (["--l2", "nan"], 2, "it must be a finite number"),
        (["--l2", "1e300"], 1, "the gradient is not finite"),
        (["-o", "dream.xyz"], 1, "unknown picture format `xyz`"),
    ],
)
def test_errors(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = netdsl("dream", trained / "module", "-o", "dream.png", *options)
    assert result.exit_code == status
    assert message in result.stderr
    assert not list(tmp_path.iterdir())
