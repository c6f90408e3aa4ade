"""Style transfer: losses and descent equal a direct computation, and the command says what it needs."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
import torchvision.models.vgg as torchvision_vgg
from PIL import Image
from torch import Tensor, nn

import netdsl
from docs.drawings import harbour, strokes
from netdsl import inspect
from netdsl.inspect import Inspected, LossWeights, StyleLayers
from netdsl.inspect.pictures import read_scaled, write_image
from netdsl.runtime.errors import RunError
from netdsl.runtime.transplant import transplant
from netdsl.syntax.net_files import shipped
from netdsl.trained.open_run import create_model
from tests.support.building import build
from tests.support.commands import netdsl as command
from tests.support.looking import opened, unchanged

LAYERS = StyleLayers("2", ("1", "3"))


def small(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """Maps come of `0` to `3`; all its functions are smooth, for differences."""
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Conv2d(4, 5, 3, stride=2), nn.Tanh(), nn.Flatten())
    return nn.Sequential(*parts, nn.Linear(45, 10)).to(dtype)


def rand(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[-1]), dtype=dtype)


def objective(model: nn.Sequential, image: Tensor, content: Tensor, style: Tensor) -> Tensor:
    """The objective of `transfer` with weights 2, 3 and 4 for one image, from the paper's equations."""

    def gram(x: Tensor) -> Tensor:
        return torch.einsum("ihw,jhw->ij", x, x) / x.numel()

    wanted, now = model[:3](content[None])[0], model[:3](image[None])[0]
    total: Tensor = 2 * ((now - wanted) ** 2).sum() / (wanted**2).sum()
    for depth in (2, 4):
        a, g = gram(model[:depth](style[None])[0]), gram(model[:depth](image[None])[0])
        total = total + 3 / 2 * ((g - a) ** 2).sum() / (a**2).sum()
    below, beside = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return total + 4 * ((below**2).sum() + (beside**2).sum()) / image.numel()


WEIGHTS = LossWeights(2, 3, 4)


def test_gram_matrices() -> None:
    features = rand(2, 3, 4, 5)
    found = inspect.gram(features)
    for n, i, j in product(range(2), range(3), range(3)):
        products = (
            float(features[n, i, y, x] * features[n, j, y, x]) for y, x in product(range(4), range(5))
        )
        assert float(found[n, i, j]) == pytest.approx(sum(products) / (3 * 4 * 5), rel=1e-12)
    # Where things are doesn't matter, and neither does how large the image is.
    torch.testing.assert_close(inspect.gram(features.flip(3)), found)
    torch.testing.assert_close(inspect.gram(features.repeat(1, 1, 2, 3)), found)


def test_losses() -> None:
    now, wanted = rand(2, 3, 4, 5), rand(2, 3, 4, 6)[..., :5]
    grams = [rand(2, 3, 3), rand(1, 3, 3) + 1]
    content = inspect.content_loss(now, wanted)
    style = inspect.style_loss([now, wanted], grams)
    variation = inspect.total_variation(now)
    assert (content.shape, style.shape, variation.shape) == ((2,), (2, 2), (2,))
    for n in range(2):
        a, b = now[n].flatten().tolist(), wanted[n].flatten().tolist()
        distance = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
        assert float(content[n]) == pytest.approx(distance / sum(y**2 for y in b), rel=1e-12)
        for layer, maps in enumerate((now, wanted)):
            own = torch.einsum("ihw,jhw->ij", maps[n], maps[n]) / 60
            of_style = grams[layer][n if layer == 0 else 0]
            expected = torch.linalg.norm(own - of_style) ** 2 / torch.linalg.norm(of_style) ** 2
            assert float(style[n, layer]) == pytest.approx(float(expected), rel=1e-12)
        squares = 0.0
        for c, y, x in product(range(3), range(4), range(5)):
            here = float(now[n, c, y, x])
            squares += (float(now[n, c, y + 1, x]) - here) ** 2 if y < 3 else 0
            squares += (float(now[n, c, y, x + 1]) - here) ** 2 if x < 4 else 0
        assert float(variation[n]) == pytest.approx(squares / 60, rel=1e-12)


def test_losses_of_silent_layers_are_finite() -> None:
    nothing = torch.zeros(1, 2, 3, 3)
    assert inspect.content_loss(nothing, nothing).item() == 0
    assert inspect.style_loss([nothing], [inspect.gram(nothing)]).item() == 0
    assert inspect.content_loss(nothing + 1, nothing).isfinite().all()


def test_the_gradient_by_finite_differences() -> None:
    """The first step of Adam is the sign of the gradient: that of the objective's differences."""
    model, content, style = small(), rand(1, 3, 9, 8), rand(1, 3, 7, 11)
    start = inspect.transfer(
        model,
        content,
        style,
        LAYERS,
        WEIGHTS,
        steps=1,
        noise=0.5,
        generator=torch.Generator().manual_seed(1),
    )
    uniform = torch.rand(content.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    begun = (0.5 * content + 0.5 * uniform)[0]
    leaf = begun.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(model, leaf, content[0], style[0]), leaf)
    for c, y, x in ((0, 0, 0), (1, 4, 3), (2, 8, 7), (0, 5, 6), (2, 1, 2)):
        step = torch.zeros_like(begun)
        step[c, y, x] = 1e-5
        with torch.no_grad():
            above, below = (objective(model, begun + way * step, content[0], style[0]) for way in (1, -1))
        slope = float(above - below) / 2e-5
        assert slope == pytest.approx(float(gradient[c, y, x]), rel=1e-6)
        went = float(start.images[0, c, y, x]) - float(begun[c, y, x])
        reach = -0.05 if slope > 0 else 0.05
        assert went == pytest.approx(min(max(float(begun[c, y, x]) + reach, 0), 1) - float(begun[c, y, x]))


def test_the_descent_is_that_of_adam_on_the_objective() -> None:
    model, content, style = small(), rand(1, 3, 9, 8), rand(1, 3, 7, 11)
    done = inspect.transfer(model, content, style, LAYERS, WEIGHTS, steps=4, noise=0)
    image = content[0].clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.05, eps=1e-8 / image.numel())
    totals = []
    for step in range(4):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 + torch.cos(torch.tensor(step / 4 * torch.pi)).item()) / 2
        total = objective(model, image, content[0], style[0])
        (image.grad,) = torch.autograd.grad(total, image)
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        totals.append(total.item())
    totals.append(objective(model, image, content[0], style[0]).item())
    torch.testing.assert_close(done.images[0], image.detach(), rtol=0, atol=1e-7)
    found = [2 * each.content + 3 * each.style.mean(1) + 4 * each.variation for each in done.losses]
    assert torch.cat(found).tolist() == pytest.approx(totals, rel=1e-7)


def test_the_loss_falls_and_images_of_a_batch_are_alone() -> None:
    model, style = small(), rand(1, 3, 12, 12)
    contents = torch.cat([rand(1, 3, 9, 8), rand(1, 3, 9, 9)[..., :8]])
    with torch.no_grad():  # as a caller may be
        together = inspect.transfer(model, contents, style, LAYERS, steps=40, noise=0)
    first, last = (100 * together.losses[at].style.mean(1) for at in (0, -1))
    assert (last < 0.5 * first).all()
    assert len(together.losses) == 41
    assert together.images.min() >= 0 and together.images.max() <= 1
    for content, image in zip(contents, together.images, strict=True):
        alone = inspect.transfer(model, content[None], style, LAYERS, steps=40, noise=0)
        torch.testing.assert_close(alone.images[0], image, rtol=0, atol=1e-9)


def test_an_image_has_its_own_style() -> None:
    model, content = small(), rand(1, 3, 9, 8)
    done = inspect.transfer(model, content, content, LAYERS, LossWeights(variation=0), steps=3, noise=0)
    assert done.losses[0].style.abs().max() < 1e-20
    assert done.losses[0].content.item() == 0
    torch.testing.assert_close(done.images, content)


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was_and_seeds_decide(fails: bool) -> None:
    model, content, style = small(torch.float32), rand(1, 3, 9, 8).float(), rand(1, 3, 9, 9).float()
    model[1].eval()

    def after_step() -> None:
        assert not model.training
        if fails:
            raise KeyboardInterrupt

    def painted(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return inspect.transfer(
            model, content, style, LAYERS, steps=2, generator=generator, after_step=after_step
        ).images

    with unchanged(model):
        if fails:
            with pytest.raises(KeyboardInterrupt):
                painted(0)
        else:
            assert torch.equal(painted(0), painted(0))
            assert not torch.equal(painted(0), painted(1))


@pytest.mark.parametrize(
    "name, content, style",
    [
        # conv4_2 and conv1_1 to conv5_1, after their ReLUs (section "Methods")
        ("vgg", "features.relu9", [f"features.relu{number}" for number in (1, 3, 5, 8, 11)]),
        ("resnet32", "stage2.block2.relu1", ["stem.relu1", "stage2.block1.relu2", "stage3.block1.relu2"]),
        ("convnet", "layers.relu2", ["layers.relu1", "layers.relu2", "layers.relu3"]),
        # No activation stands outside of the branches of its blocks.
        (
            "googlenet",
            "inception4b.block1.concat1",
            [
                "stem.conv1.relu1",
                "stem.conv2.relu1",
                *(f"inception{stage}.block1.concat1" for stage in ("3a", "4a", "5a")),
            ],
        ),
    ],
)
def test_layers_by_rule(name: str, content: str, style: list[str]) -> None:
    found = inspect.style_layers(inspect.layers(netdsl.load(name).typed))
    assert found == StyleLayers(content, tuple(style))


def test_layers_of_torchvision_s_vgg19() -> None:
    """The same maps as those of its `features`, at another size than the network's; a small head will do."""
    text = shipped()["vgg"].read_text().partition("# Batch norm adds")[0]
    network = build(text.replace("linear(4096)", "linear(2)").replace("depth=16", "depth=19"))
    torch.manual_seed(0)
    features = torchvision_vgg.make_layers(torchvision_vgg.cfgs["E"])
    linear = (nn.Linear(512 * 49, 2), nn.Linear(2, 2), nn.Linear(2, 1000))
    reference = nn.ModuleDict({"features": features, "classifier": nn.Sequential(*linear)})
    model = create_model(network, "module", 0, torch.device("cpu"))
    transplant(reference.state_dict(), model.module(), True)
    inspected, images = Inspected(network, model).double(), rand(1, 3, 40, 56)
    wanted = inspect.style_layers(inspected.named)
    features = features.double()
    with torch.no_grad():
        seen = inspect.activations(inspected, images, [*wanted.style, wanted.content])
        for name, depth in zip([*wanted.style, wanted.content], (1, 6, 11, 20, 29, 22), strict=True):
            expected = features[: depth + 1](images)
            assert (seen[name] - expected).abs().max() < 1e-10 * expected.abs().max()


def test_wrong_layers_and_sizes() -> None:
    network = build(
        "network n\ninput 3x8x8\nclasses 2\nlayers { conv(4, 3), maxpool(2), flatten, linear(2) }"
    )
    model = opened(network)
    image = rand(1, 3, 8, 8).float()
    with pytest.raises(RunError, match="no layer `stage9`") as error:
        inspect.transfer(model, image, image, StyleLayers("layers.conv1", ("stage9",)))
    assert error.value.help == "the network has `layers`"
    with pytest.raises(RunError, match="`layers.linear1` is not a feature map"):
        inspect.transfer(model, image, image, StyleLayers("layers.linear1", ("layers.conv1",)))
    with pytest.raises(RunError, match="can't run an image of 3x1x8 up to those layers"):
        inspect.transfer(model, image[:, :, :1], image, StyleLayers("layers.maxpool1", ("layers.conv1",)))
    with pytest.raises(RunError, match="no feature maps"):
        inspect.style_layers(inspect.layers(netdsl.load("two_layer_fc").typed))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_read_and_written(channels: int, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side
    harbour().resize((40, 24)).save(tmp_path / "on_its_side.png", exif=turned)
    image = read_scaled(tmp_path / "on_its_side.png", channels, 60)
    assert (image.shape, image.dtype) == ((1, channels, 60, 36), torch.float32)
    write_image(image[0], tmp_path / "again.png")
    assert torch.equal(read_scaled(tmp_path / "again.png", channels, 60), image)


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder we are in, with two images of different sizes."""
    monkeypatch.chdir(tmp_path)
    harbour().resize((32, 24)).save("harbour.png")
    strokes().resize((20, 30)).save("strokes.png")
    return tmp_path


@pytest.mark.parametrize("style", ["module", "functional", "sequential"])
def test_the_command(style: str, trained: Path, drawn: Path) -> None:
    options = ("-o", "out.png", "--run", trained / style, "--size", "40", "--steps", "30")
    done = command("style", "harbour.png", "strokes.png", *options, "--sheet", "sheet.png")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-2:] == ["wrote out.png", "wrote sheet.png"]
    with Image.open("out.png") as image, Image.open("sheet.png") as sheet:
        assert (image.size, image.mode) == ((40, 30), "RGB")
        assert sheet.width > 2 * sheet.height
    first = Path("out.png").read_bytes()
    again = command("style", "harbour.png", "strokes.png", *options, "--format", "json")
    assert Path("out.png").read_bytes() == first
    losses = json.loads(again.output)
    assert [(each["loss"], each["layer"]) for each in losses] == [
        ("content", "layers.relu1"),
        ("style", "layers.relu1"),
        ("total variation", None),
    ]
    assert losses[1]["end"] < losses[1]["start"]


def test_gray_networks_with_weights_from_elsewhere(drawn: Path) -> None:
    Path("gray.net").write_text(
        "network gray(width=4)\ninput 1x8x8\nclasses 2\n"
        "layers { conv(width, 3), relu, conv(8, 3, stride=2), relu, flatten, linear(classes) }\n"
    )
    state = netdsl.load("gray.net", width=6).module().state_dict()
    torch.save({"ema": state, "model": state}, "weights.pth")
    options = ("--network", "gray.net", "--weights", "weights.pth", "--size", "16", "--steps", "3")
    arguments = ("style", "harbour.png", "strokes.png", "-o", "out.bmp", *options)
    named = ("--content-layer", "layers.relu2", "--style-layers", "layers.conv1, layers.relu2")
    done = command(*arguments, "--set", "width=6", *named)
    assert done.exit_code == 0, done.output
    assert "layers.conv1" in done.output
    assert "took `model` of weights.pth, not `ema`\n" in done.stderr
    with Image.open("out.bmp") as image:
        assert (image.size, image.mode) == ((16, 12), "L")
    assert "the weights are of another network" in command(*arguments).output  # without the --set


@pytest.mark.parametrize("input", ["12", "2x8x8"])
def test_networks_of_other_things_than_images(input: str, drawn: Path) -> None:
    layers = "linear(classes)" if input == "12" else "conv(4, 3), flatten, linear(classes)"
    Path("other.net").write_text(f"network other\ninput {input}\nclasses 2\nlayers {{ {layers} }}\n")
    torch.save(netdsl.load("other.net").module().state_dict(), "weights.pth")
    options = ("-o", "out.png", "--network", "other.net", "--weights", "weights.pth")
    done = command("style", "harbour.png", "strokes.png", *options)
    assert done.exit_code == 1
    assert "not an image" in done.output


@pytest.mark.parametrize(
    "options, message",
    [
        ((), "add --run RUN, or --network NAME --weights FILE"),
        (("--run", "RUN", "--weights", "w.pth"), "remove --network and --weights"),
        (("--run", "RUN", "--network", "vgg"), "remove --network and --weights"),
        (("--run", "RUN", "--set", "width=4"), "--set and --input are for --network"),
        (("--network", "vgg"), "add --weights FILE"),
        (("--weights", "w.pth"), "add --network NAME"),
        (("--run", "RUN", "--style-layers", "a,,b"), "write `stage1,stage2`"),
        (("--run", "RUN", "-o", "out.pdf"), "must end in .png, .jpg"),
        (("--run", "RUN", "--noise", "2"), "0<=x<=1"),
        (("--run", "RUN", "--noise", "nan"), "it must be a finite number"),
        (("--run", "RUN", "--tv-weight", "nan"), "it must be a finite number"),
    ],
)
def test_wrong_use(options: tuple[str, ...], message: str, trained: Path, drawn: Path) -> None:
    given = [str(trained / "module") if option == "RUN" else option for option in options]
    done = command("style", "harbour.png", "strokes.png", "-o", "out.png", *given)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    "content, options, messages",
    [
        ("nowhere.png", (), ["nowhere.png: no such file"]),
        ("text.png", (), ["text.png: not an image"]),
        ("harbour.png", ("--style-layers", "stage1"), ["no layer `stage1`", "the network has `layers`"]),
        (
            "harbour.png",
            ("--content-layer", "layers.conv9"),
            ["`layers` has `conv1`, `bn1`, `relu1`, `drop"],
        ),
        ("harbour.png", ("--content-layer", "layers.linear1"), ["can't run an image of 3x24x32"]),
        ("harbour.png", ("--sheet", "sheet.nothing"), ["unknown picture format `nothing`"]),
        ("harbour.png", ("--style-weight", "1e38"), ["the losses are not finite"]),
    ],
)
def test_wrong_input(
    content: str, options: tuple[str, ...], messages: list[str], trained: Path, drawn: Path
) -> None:
    Path("text.png").write_text("no image")
    run = ("--run", trained / "module", "--size", "32", "--steps", "2")
    done = command("style", content, "strokes.png", "-o", "out.png", *run, *options)
    assert done.exit_code == 1
    for message in messages:
        assert message in done.output
    assert not list(drawn.glob("out*")) and not list(drawn.glob("sheet*"))
