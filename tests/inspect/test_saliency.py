"""Maps of what a score depends on: the mathematics, and `netdsl saliency`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import netdsl
from netdsl import inspect
from netdsl.cli import main
from netdsl.commands.saliency import METHODS
from netdsl.compiler import STYLES
from netdsl.inspect import Inspected
from netdsl.inspect.sheets.maps import Method, arranged
from netdsl.inspect.sheets.panels import Panel, write_sheet
from netdsl.runtime.errors import RunError
from tests.support.building import build
from tests.support.commands import netdsl as run_netdsl
from tests.support.looking import opened, unchanged
from tests.test_docs import ROOT, blocks

NETWORK = """\
network pooled
input 3x8x8
classes 4
layers { conv(5, 3), bn, relu, maxpool(2), conv(6, 3), gelu, global_avgpool, flatten, linear(classes) }
"""
# No feature map anywhere.
FLAT = "network flat\ninput 3x8x8\nclasses 10\nlayers { flatten, linear(8), relu, linear(classes) }\n"
MISSING = 'needs the extra: pip install "netdsl[captum]"'

Maps = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Bent(nn.Module):
    """A network with a head that isn't linear: gradients differ from place to place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.fc = nn.Linear(5 * 36, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.norm(self.conv(x)).tanh().flatten(1)) ** 3
        return logits


@pytest.fixture
def bent() -> nn.Module:
    torch.manual_seed(0)
    model = Bent().double()
    model(torch.rand(8, 3, 8, 8, dtype=torch.float64))  # statistics of its own
    return model


@pytest.fixture
def pooled() -> Inspected:
    return opened(build(NETWORK), "functional").double()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def classes() -> Tensor:
    return torch.tensor([2, 0, 3])


def noisy(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.smooth_grad(model, images, classes, samples=2, generator=torch.Generator())


def cam_of_conv(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    return inspect.grad_cam(model, images, classes, "conv")


def differences(model: nn.Module, image: Tensor, number: int, step: float = 1e-6) -> Tensor:
    """The gradient of a score by every number of an image (C, H, W), by central finite differences."""
    ways = step * torch.eye(image.numel(), dtype=image.dtype).view(-1, *image.shape)
    with torch.no_grad(), inspect.evaluating(model):
        found: Tensor = (model(image + ways)[:, number] - model(image - ways)[:, number]) / (2 * step)
    return found.view(image.shape)


def test_saliency_is_what_finite_differences_are(
    bent: nn.Module, pooled: Inspected, images: Tensor, classes: Tensor
) -> None:
    for model in (bent, pooled):
        found = inspect.saliency(model, images, classes)
        expected = [differences(model, *pair).abs().amax(0) for pair in zip(images, classes, strict=True)]
        torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=1e-8)


def test_without_noise_smooth_grad_is_saliency(bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    found = inspect.smooth_grad(bent, images, classes, noise=0, samples=3, generator=torch.Generator())
    torch.testing.assert_close(found, inspect.saliency(bent, images, classes))


def test_smooth_grad_is_the_mean_of_gradients(bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    images = images * torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1, 1)  # of different ranges
    found = inspect.smooth_grad(
        bent, images, classes, noise=0.2, samples=4, generator=torch.Generator().manual_seed(5)
    )
    generator = torch.Generator().manual_seed(5)
    total = torch.zeros_like(images)
    for _ in range(4):
        noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
        for image, number, own, mean in zip(images, classes, noise, total, strict=True):
            mean += differences(bent, image + 0.2 * (image.max() - image.min()) * own, int(number)) / 4
    torch.testing.assert_close(found, total.abs().amax(1), rtol=1e-5, atol=1e-8)


def test_smooth_grad_follows_its_generator(bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    one, again, other = (
        inspect.smooth_grad(bent, images, classes, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_grad_cam_is_its_formula(bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    """Equations 1 and 2, written out, with what torch's own hooks see."""
    expected = []
    bent.eval()
    for image, number in zip(images, classes, strict=True):
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: object, output: Tensor, seen: list[Tensor] = seen) -> None:
            output.retain_grad()
            seen.append(output)

        handle = bent.get_submodule("conv").register_forward_hook(keep)
        bent(image[None])[0, number].backward()
        handle.remove()
        total = torch.zeros(6, 6, dtype=torch.float64)
        gradients = seen[0].grad
        assert gradients is not None
        for features, gradient in zip(seen[0][0], gradients[0], strict=True):
            total += gradient.sum() / 36 * features.detach()
        expected.append(total.clamp(min=0))
    found = cam_of_conv(bent, images, classes)
    torch.testing.assert_close(found, torch.stack(expected))
    assert found.any()


def test_grad_cam_is_cam_where_the_head_is_a_mean_and_a_line(
    pooled: Inspected, images: Tensor, classes: Tensor
) -> None:
    """Selvaraju et al. 2017, section 3.1: up to the number of places, and to ReLU."""
    features = inspect.activations(pooled, images, ["layers.gelu1"])["layers.gelu1"]
    weight = next(weight for weight in pooled.weights if weight.shape == (4, 6))
    cam = torch.einsum("nk,nkhw->nhw", weight[classes], features)
    found = inspect.grad_cam(pooled, images, classes)
    torch.testing.assert_close(found, cam.clamp(min=0) / features[0, 0].numel())
    assert found.any()


def test_layers_before_steps_in_place(images: Tensor, classes: Tensor) -> None:
    """The output of a layer is kept as it was, even if the next layer works in place."""
    torch.manual_seed(0)
    tail = (nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 4))
    one, other = (
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace), *tail).double()
        for inplace in (False, True)
    )
    other.load_state_dict(one.state_dict())
    cams = [inspect.grad_cam(model, images, classes, "0") for model in (one, other)]
    torch.testing.assert_close(cams[0], cams[1])


def test_what_isnt_known_to_be_a_feature_map(pooled: Inspected, bent: nn.Module, images: Tensor) -> None:
    classes = torch.tensor([0, 1, 2])
    flat = opened(build(FLAT))
    for model, layer, message, help in [
        (pooled, "layers.linear1", "`layers.linear1` is not a feature map", "feature map is `layers.gelu1`"),
        (pooled, "layers.conv3", "there is no layer `layers.conv3`", "`layers` has `conv1`, `bn1`, `relu1`"),
        (bent, "fc", "layer `fc` is not a feature map", "whose output is (N, C, H, W)"),
        (bent, None, "the network's last feature map is unknown", "name a `layer`"),
        (flat, None, "`flat` has no feature map", "use the method `simple` or `smooth-grad`"),
    ]:
        with pytest.raises(RunError) as error:
            inspect.grad_cam(model, images, classes, layer)
        assert message in str(error.value)
        assert help in error.value.help
    for wrong in (4, -1):
        with pytest.raises(RunError, match="the network has 4 classes"):
            inspect.saliency(bent, images, torch.tensor([0, 1, wrong]))


def test_styles_have_the_same_maps(images: Tensor, classes: Tensor) -> None:
    """Generated code imported like any other, and the network with its layers' names."""
    network = build(NETWORK)
    module = network.module().double()
    sequential = network.sequential().double()
    sequential.load_state_dict(dict(zip(sequential.state_dict(), module.state_dict().values(), strict=True)))
    init_params, forward = network.functional()
    params = [weight.detach() for weight in module.parameters()]
    buffers = [tensor for tensor in module.buffers() if tensor.dim()]
    models = [sequential, inspect.functional(forward, params, buffers)]
    models += [opened(network, style) for style in STYLES]
    for model in models[2:]:
        assert isinstance(model, Inspected)
        for own, given in zip([*model.weights, *model.statistics], [*params, *buffers], strict=True):
            own.data = given
        model.double()
    for maps in (inspect.saliency, noisy):
        expected = maps(module, images, classes)
        for model in models:
            torch.testing.assert_close(maps(model, images, classes), expected, msg=type(model).__name__)
    cams = [inspect.grad_cam(model, images, classes) for model in models[2:]]
    for cam in cams:
        torch.testing.assert_close(cam, cams[0])


@pytest.mark.parametrize("maps", [inspect.saliency, noisy, cam_of_conv])
def test_nothing_is_left_behind(maps: Maps, bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    expected = maps(bent, images, classes)

    def break_off(module: nn.Module, inputs: object, output: Tensor) -> None:
        raise KeyboardInterrupt

    with unchanged(bent):
        handle = bent.get_submodule("fc").register_forward_hook(break_off)
        with pytest.raises(KeyboardInterrupt):
            maps(bent, images, classes)
        handle.remove()
        with torch.no_grad():
            torch.testing.assert_close(maps(bent, images, classes), expected)
    assert not (images.requires_grad or expected.requires_grad)


def test_integrated_gradients_sum_to_the_score(bent: nn.Module, images: Tensor, classes: Tensor) -> None:
    pytest.importorskip("captum", reason=MISSING)
    maps = inspect.integrated_gradients(bent, images, classes)
    bent.eval()
    with torch.no_grad():
        gained = bent(images) - bent(torch.zeros_like(images))
    assert maps.shape == (3, 8, 8)
    torch.testing.assert_close(
        maps.sum((1, 2)), gained.gather(1, classes[:, None])[:, 0], rtol=1e-5, atol=1e-8
    )


def test_occlusion_of_a_linear_network(classes: Tensor) -> None:
    """There a pixel's part of the score is its weight times what it is above the mean."""
    pytest.importorskip("captum", reason=MISSING)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 4)).double()
    images = torch.rand(3, 3, 4, 4, dtype=torch.float64)
    weight = model.get_parameter("1.weight").detach()[classes].view(3, 3, 4, 4)
    expected = (weight * (images - images.mean((2, 3), keepdim=True))).sum(1)
    torch.testing.assert_close(inspect.occlusion(model, images, classes), expected, rtol=1e-5, atol=1e-6)


def test_images_of_a_sheet_have_one_size(tmp_path: Path) -> None:
    """The sheet isn't white at an image, whatever its caption."""
    black = torch.zeros(3, 4, 4)
    write_sheet([[Panel(black, "a\nb\nc"), Panel(black)], [Panel(black, "d")]], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        dark = torch.tensor([[pixel == 0 for pixel in row] for row in rows_of(picture.convert("L"))])
    # Letters are black too, but no run of them is as long as an image; pixels are rounded.
    assert {int(run) for line in (*dark, *dark.T) for run in runs(line) if run > 100} <= {240, 241}


def rows_of(picture: Image.Image) -> list[list[int]]:
    values = list(picture.tobytes())
    return [values[start : start + picture.width] for start in range(0, len(values), picture.width)]


def runs(line: Tensor) -> Tensor:
    """The lengths of the runs of True."""
    edges = torch.diff(line.int(), prepend=torch.tensor([0]), append=torch.tensor([0]))
    return (edges == -1).nonzero()[:, 0] - (edges == 1).nonzero()[:, 0]


def records(*arguments: object) -> list[dict[str, object]]:
    result = run_netdsl("saliency", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def explained(found: list[dict[str, object]]) -> list[object]:
    return [record["explained"] for record in found]


def test_the_class_that_is_explained(trained: Path, pictures: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "maps.png")
    found = records(trained / "module", "test:0-29", *out)
    assert [record["image"] for record in found[:2]] == ["test:0", "test:1"]
    answers = [record["explained"] for record in found]
    assert [answer["class"] for answer in answers if isinstance(answer, dict)] == [r["label"] for r in found]
    wrong = [record for record in found if record["explained"] != record["predicted"]]
    assert wrong  # it isn't trained to the end
    asked = records(trained / "module", str(wrong[0]["image"]), *out, "--predicted")
    assert explained(asked) == [wrong[0]["predicted"]]
    (asked_for,) = records(trained / "module", "test:0", *out, "--class", "7")
    assert isinstance(asked_for["explained"], dict) and asked_for["explained"]["class"] == "7"
    (unlabelled,) = records(trained / "module", pictures / "3.png", *out)
    assert unlabelled["label"] is None
    assert unlabelled["explained"] == unlabelled["predicted"]
    assert (tmp_path / "maps.png").is_file()


@pytest.mark.parametrize("style", STYLES)
def test_all_methods_on_all_styles(style: str, trained: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("captum", reason=MISSING)
    picture = tmp_path / "maps.png"
    methods = [word for method in METHODS for word in ("--method", method)]
    result = run_netdsl("saliency", trained / style, "test:0", pictures / "1.png", "-o", picture, *methods)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["image", "label", "predicted", "explained"]
    assert lines[-1] == f"wrote {picture}"
    with Image.open(picture) as sheet:
        assert sheet.width == pytest.approx((6 * 1.7 + 0.1) * 150, abs=1)


@pytest.mark.parametrize(
    "images, panels, lengths",
    [
        (1, 2, [2]),
        (5, 2, [6, 4]),
        (5, 1, [5]),  # maps alone
        (5, 4, [4] * 5),  # a column for each method
        (10, 1, [5, 5]),
        (20, 2, [6] * 6 + [4]),
        (20, 1, [5] * 4),
        (2, 7, [7, 7]),
    ],
)
def test_sheets_have_a_sensible_shape(images: int, panels: int, lengths: list[int]) -> None:
    panel = Panel(torch.zeros(2, 2))
    rows = arranged([[panel] * panels for _ in range(images)])
    assert [len(row) for row in rows] == lengths


def test_maps_are_the_same_again_and_alone(trained: Path, tmp_path: Path) -> None:
    """Noise is drawn by the seed, for each image by itself."""

    def drawn(*options: object) -> bytes:
        file = tmp_path / "maps.png"
        records(trained / "module", *options, "-o", file, "--method", "smooth-grad", "--maps-only")
        with Image.open(file) as sheet:
            return sheet.crop((0, sheet.height - 240, 255, sheet.height)).tobytes()

    first = drawn("test:0")
    assert drawn("test:0", "test:1") == first
    assert drawn("test:0", "--seed", "1") != first


def test_wrong_input(trained: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    cam = ("--method", "grad-cam", "--layer")
    wrong: list[tuple[list[object], int, str]] = [
        (["test:0", "--class", "cat"], 1, "there is no class `cat`\n  = help: the network's are 0, 1, 2"),
        (["test:0", *cam, "stage3"], 1, "there is no layer `stage3`\n  = help: the network has `layers`"),
        (["test:0", *cam, "layers.conv2"], 1, "`layers` has `conv1`, `bn1`, `relu1`"),
        (["test:0", *cam, "layers.linear"], 1, "is not a feature map: it has no height and width"),
        (["test:0", "--layer", "layers"], 2, "--layer is for --method grad-cam"),
        (["test:0", "--class", "1", "--predicted"], 2, "exclude each other"),
        (["test:0", "--seed", "9" * 30], 2, "is not in the range"),
        ([broken], 1, ": not an image"),
        ([tmp_path / "missing.png"], 1, "missing.png: no such file"),
        (["test:5000"], 1, "the run has"),
        (["test:0-100"], 1, "101 images have no room in one picture\n  = help: name 100 or fewer"),
        ([], 2, "IMAGE|test:N"),
    ]
    for options, status, message in wrong:
        picture = tmp_path / "maps.png"
        result = run_netdsl("saliency", trained / "module", *options, "-o", picture)
        assert (result.exit_code, picture.exists()) == (status, False), result.output
        assert message in result.stderr
    result = run_netdsl("saliency", trained / "module", "test:0", "-o", tmp_path / "maps.doc")
    assert "unknown picture format `doc`" in result.stderr
    result = run_netdsl("saliency", tmp_path, "test:0", "-o", tmp_path / "maps.png")
    assert "name the folder of a run" in result.stderr


def test_a_run_without_a_feature_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    Path("flat.net").write_text(FLAT)
    assert run_netdsl("train", "flat.net", "--data", "digits", "--epochs", "1", "--run", "run").exit_code == 0
    result = run_netdsl("saliency", "run", "test:0", "-o", "maps.png", "--method", "grad-cam")
    assert result.exit_code == 1
    assert "`flat` has no feature map, and Grad-CAM needs one" in result.stderr
    assert not Path("maps.png").exists()
    records("run", "test:0", "-o", "maps.png", "--method", "smooth-grad")


def test_without_captum(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "captum"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "captum", None)
    for method in ("integrated-gradients", "occlusion"):
        options = ("-o", tmp_path / "maps.png", "--method", method)
        result = run_netdsl("saliency", trained / "module", "test:0", *options)
        assert result.exit_code == 1
        assert 'help: pip install "netdsl[captum]"' in result.stderr
    assert not (tmp_path / "maps.png").exists()


def test_the_command_knows_all_methods() -> None:
    assert get_args(Method) == METHODS


PAGE = (ROOT / "docs" / "inside.md").read_text()


def test_commands_of_the_page_can_be_given() -> None:
    shown = [text.replace("\\\n", " ") for page, text in blocks("sh") if page == "inside.md"]
    lines = [line for text in shown for line in text.splitlines() if line.startswith("netdsl saliency")]
    assert lines
    saliency = main.get_command(click.Context(main), "saliency")
    assert saliency is not None
    for line in lines:
        saliency.make_context("saliency", shlex.split(line, comments=True)[2:])


def test_the_python_of_the_page(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples run one after the other as they stand; the run and the code lie where they say."""
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/digits").symlink_to(trained / "functional")
    for name, style in (("resnet32", "module"), ("convnet", "functional")):
        Path(f"{name}.py").write_text(netdsl.load(name).source(style))  # type: ignore[arg-type]
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    section = PAGE.partition("\n## In Python\n")[2].partition("\n## ")[0]
    examples = section.split("```python\n")[1:]
    assert len(examples) == 2
    for example in examples:
        exec(example.partition("```")[0], names)
    for name in ("maps", "where"):
        shown = names[name]
        assert isinstance(shown, Tensor) and shown.dim() == 3
