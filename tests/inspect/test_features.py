"""`netdsl features`: filters, feature maps, the head's input, confusion and mistakes."""

from __future__ import annotations

import json
import re
import sys
from math import exp
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor, nn

import netdsl
from netdsl import inspect
from netdsl.api.network import Network
from netdsl.compiler import STYLES, Style
from netdsl.inspect import Inspected
from netdsl.inspect.features import NothingToSee, telling_maps
from netdsl.inspect.mistakes import Answers
from netdsl.inspect.projections import require_tsne
from netdsl.inspect.sheets import charts
from netdsl.language.recipe import FlipView, TranslateView, View
from netdsl.runtime.errors import RunError
from netdsl.runtime.evaluate import evaluate
from netdsl.runtime.model import Model
from netdsl.trained.open_run import create_model, open_run
from tests.support.building import build
from tests.support.commands import netdsl as run_netdsl
from tests.support.looking import opened, unchanged
from tests.support.samples import CPU, FP32, Tiny, dataset, pixels, tiny

# Two layers in the head, batch norm before the first convolution, and a stage.
SMALL = """\
network small(channels=3)
input 3x8x8
classes 5
stem { bn, conv(6, 3), relu }
stage residual(8, stride=2, repeat=2)
head { flatten, linear(12), relu, dropout(0.5), linear(classes) }
"""


def both(network: Network, style: Style = "module") -> tuple[Inspected, Model]:
    """A network to look into, and what it looks into."""
    model = create_model(network, style, 0, CPU)
    return Inspected(network, model), model


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The files that would have been written."""
    drawn: list[Figure] = []
    monkeypatch.setattr(charts, "write_figure", lambda figure, file: drawn.append(figure))
    return drawn


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# Filters


@pytest.mark.parametrize("style", STYLES)
def test_filters_are_the_first_weights(style: Style) -> None:
    model, plain = both(build(SMALL), style)
    first = next(weight for weight in plain.parameters if weight.dim() == 4)
    assert first.shape == (6, 3, 3, 3)
    torch.testing.assert_close(inspect.filters(model), first.detach(), rtol=0, atol=0)
    assert not inspect.filters(model).requires_grad


@pytest.mark.parametrize(
    "steps, shape, filters",
    [
        ("flatten, linear(7), relu, linear(classes)", "3x4x6", (7, 3, 4, 6)),
        ("flatten, linear(classes)", "1x4x6", (10, 1, 4, 6)),
        ("pad(1), conv(4, 5), flatten, linear(classes)", "1x8x8", (4, 1, 5, 5)),
        ("depthwise(3), flatten, linear(classes)", "3x8x8", (3, 1, 3, 3)),
        ("conv_transpose(5, 3), flatten, linear(classes)", "3x8x8", (5, 3, 3, 3)),
    ],
)
def test_filters_of_other_first_layers(steps: str, shape: str, filters: tuple[int, ...]) -> None:
    network = build(f"network n\ninput {shape}\nclasses 10\nlayers {{ {steps} }}\n")
    model, plain = both(network)
    found = inspect.filters(model)
    assert found.shape == filters
    first = plain.parameters[0].detach()
    expected = first.transpose(0, 1) if "transpose" in steps else first.reshape(filters)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "steps, message",
    [
        ("conv(4, 1), flatten, linear(10)", "the filters of the first layer, `layers.conv1`, are 1x1"),
        ("relu, avgpool(2), conv(4, 3), flatten, linear(10)", "sees the output of `layers.avgpool1`"),
        ("avgpool(2), flatten, linear(10)", "`layers.linear1`, sees the output of `layers.avgpool1`"),
        ("concat { | identity | relu }, conv(4, 3)", "sees the output of `layers.concat1`, not the image"),
        ("relu, global_avgpool, flatten", "no convolution and no linear layer"),
    ],
)
def test_where_there_are_no_filters_to_see(steps: str, message: str) -> None:
    model = opened(build(f"network n\ninput 3x8x8\nlayers {{ {steps} }}\n"))
    with pytest.raises(NothingToSee, match=message):
        inspect.filters(model)


def test_filters_of_any_module() -> None:
    module = Tiny()
    assert torch.equal(inspect.filters(module), module.conv.weight)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2)).double()
    assert inspect.filters(flat, (3, 4, 4)).shape == (2, 3, 4, 4)
    assert inspect.filters(flat, (3, 4, 4)).dtype == torch.float64
    with pytest.raises(NothingToSee, match="the rows of the first layer, `1`, are not images"):
        inspect.filters(flat)
    with pytest.raises(NothingToSee, match="no convolution and no linear layer"):
        inspect.filters(nn.ReLU())


def test_the_picture_of_filters(figures: list[Figure]) -> None:
    filters = torch.randn(70, 3, 5, 5)
    charts.write_filters(filters, Path("x.png"), "title")
    (axes,) = figures[0].axes
    assert len(axes.images) == 64
    assert texts(axes) == [str(number) for number in range(64)]
    # One scale for all: the largest weight is at an end, zero in the middle.
    shown = np.stack([np.asarray(image.get_array()) for image in axes.images])
    expected = filters[:64].permute(0, 2, 3, 1) / filters[:64].abs().max() / 2 + 0.5
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    charts.write_filters(torch.zeros(2, 1, 3, 3), Path("x.png"), "title")
    assert all((np.asarray(image.get_array()) == 0.5).all() for image in figures[1].axes[0].images)


# Feature maps


@pytest.mark.parametrize(
    "name, expected",
    [
        ("resnet32", ["stem", "stage1", "stage2", "stage3"]),
        ("convnet", ["layers.relu1", "layers.relu2", "layers.relu3", "layers.relu4"]),
        ("two_layer_fc", []),
    ],
)
def test_the_maps_that_show_a_network(name: str, expected: list[str]) -> None:
    assert telling_maps(inspect.layers(netdsl.load(name).typed)) == expected


def test_sections_are_shown_where_there_is_nothing_else() -> None:
    network = build("network n\ninput 3x8x8\nlayers { conv(4, 3), gelu }\nlayers { conv(2, 3) }\n")
    assert telling_maps(inspect.layers(network.typed)) == ["layers1", "layers2"]


def test_the_picture_of_maps(figures: list[Figure]) -> None:
    """The channels as they are, on one scale for all images."""
    images, maps = torch.rand(2, 3, 8, 8), torch.rand(2, 20, 4, 4)
    maps[1, 3] *= 10
    charts.write_maps(images, maps, ["a", "b"], Path("x.png"), "title")
    *bands, bar = figures[0].axes
    assert len(bands) == 2
    limits = {image.get_clim() for axes in bands for image in axes.images[1:]}
    ((low, high),) = limits
    assert low == 0 and (maps > high).float().mean() == pytest.approx(1 / 200, abs=2 / maps.numel())
    assert bar.get_ylim() == (low, high)
    for axes, name, own in zip(bands, "ab", maps, strict=True):
        assert texts(axes) == [name, *map(str, range(20))]
        shown = torch.stack([torch.as_tensor(np.asarray(image.get_array())) for image in axes.images[1:]])
        torch.testing.assert_close(shown, own)
    charts.write_maps(images[:1], maps[:1] - 0.9, ["a"], Path("x.png"), "title")
    low, high = figures[1].axes[0].images[1].get_clim()
    assert low == -high and figures[1].axes[0].images[1].get_cmap().name == "RdBu_r"


# The head's input


@pytest.mark.parametrize("style", STYLES)
def test_the_last_layer_makes_logits_of_the_embedding(style: Style) -> None:
    model, plain = both(build(SMALL), style)
    images = torch.rand(3, 3, 8, 8)
    found = inspect.embedding(model, images)
    assert found.shape == (3, 12) and not found.requires_grad
    weight, bias = plain.parameters[-2:]
    torch.testing.assert_close(found @ weight.T + bias, model(images), atol=1e-5, rtol=1e-5)


def test_the_embedding_is_what_a_hook_sees() -> None:
    network = build(SMALL)
    model, plain = both(network)
    images, seen = torch.rand(3, 3, 8, 8), []
    module = plain.module().eval()
    last = [own for own in module.modules() if isinstance(own, nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda own, inputs: seen.append(inputs[0].detach()))
    module(images)
    handle.remove()
    torch.testing.assert_close(inspect.embedding(model, images), seen[0])
    module.train()
    torch.testing.assert_close(inspect.embedding(module, images), seen[0])
    assert module.training and not any(own._forward_pre_hooks for own in module.modules())


@pytest.mark.parametrize(
    "head, expected",
    [
        ("flatten, linear(10)", lambda images: images.flatten(1)),
        ("global_avgpool, flatten", None),
    ],
)
def test_embeddings_of_heads_with_less(head: str, expected: object) -> None:
    model = opened(build(f"network n\ninput 3x8x8\nhead {{ {head} }}\n"))
    images = torch.rand(2, 3, 8, 8)
    if callable(expected):
        assert torch.equal(inspect.embedding(model, images), expected(images))
    else:
        with pytest.raises(RunError, match="no linear layer, and no feature map"):
            inspect.embedding(model, images)


def test_the_embedding_without_a_linear_layer() -> None:
    network = build(
        "network n\ninput 3x8x8\nlayers { conv(4, 3), relu }\nhead { conv(10, 1), global_avgpool }"
    )
    model, plain = both(network)
    images = torch.rand(2, 3, 8, 8)
    weight, bias = plain.parameters[:2]
    expected = nn.functional.conv2d(images, weight, bias, padding=1).relu().mean((2, 3))
    torch.testing.assert_close(inspect.embedding(model, images), expected.detach())
    with pytest.raises(RunError, match="the network has no linear layer"):
        inspect.embedding(plain.module(), images)


def test_the_embedding_of_vectors_is_the_vectors() -> None:
    model = opened(build("network n\ninput 6\nlayers { linear(2) }\n"))
    vectors = torch.rand(4, 6)
    assert torch.equal(inspect.embedding(model, vectors), vectors)


def test_hooks_are_removed_after_exceptions() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(3, 2))
    with unchanged(module), pytest.raises(RuntimeError):
        inspect.embedding(module, torch.rand(2, 4))


# Projections


@pytest.mark.parametrize("rows, columns", [(30, 7), (6, 40)])
def test_pca_is_the_singular_value_decomposition(rows: int, columns: int) -> None:
    vectors = torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    vectors = vectors * torch.linspace(3, 1, columns) + 5
    points, shares = inspect.pca(vectors, 3)
    centred = (vectors - vectors.mean(0)).numpy()
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(points.abs(), np.abs(left[:, :3] * sizes[:3]), atol=1e-10)
    np.testing.assert_allclose(shares, sizes[:3] ** 2 / (sizes**2).sum(), atol=1e-12)
    # The sign: the largest number of each direction is above zero.
    signs = np.sign(axes[range(3), np.abs(axes[:3]).argmax(1)])
    np.testing.assert_allclose(points, left[:, :3] * sizes[:3] * signs, atol=1e-10)


def test_pca_of_little() -> None:
    points, shares = inspect.pca(torch.tensor([[1.0], [3.0]]))
    assert points.tolist() == [[-1.0, 0.0], [1.0, 0.0]] and shares.tolist() == [1.0, 0.0]
    assert inspect.pca(torch.ones(3, 4)).points.abs().max() == 0
    with pytest.raises(RunError, match="not finite"):
        inspect.pca(torch.tensor([[1.0, torch.nan], [0.0, 1.0]]))


def test_tsne_keeps_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    vectors = torch.randn(60, 5, generator=generator) + 20 * labels[:, None]
    points = inspect.tsne(vectors)
    assert points.shape == (60, 2)
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    assert torch.equal(labels[distances.argmin(1)], labels)
    assert torch.equal(inspect.tsne(vectors), points)
    with pytest.raises(RunError, match="at least 4 images"):
        inspect.tsne(vectors[:3])


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(RunError, match="needs scikit-learn, which isn't installed") as error:
        require_tsne()
    assert error.value.help == 'pip install "netdsl[tsne]"'


@pytest.mark.parametrize("classes", [1, 10, 100])
def test_the_picture_of_an_embedding(classes: int, figures: list[Figure]) -> None:
    points, labels = torch.randn(300, 2), torch.randint(classes, (300,))
    names = [f"class_{number}" for number in range(classes)]
    charts.write_embedding(points, labels, names, Path("x.png"), "title", ("x", "y"))
    (axes,) = figures[0].axes
    present = labels.unique().tolist()
    assert len(axes.collections) == len(present)
    for number, dots in zip(present, axes.collections, strict=True):
        np.testing.assert_allclose(np.asarray(dots.get_offsets()), points[labels == number], rtol=1e-6)
    colours = {tuple(np.ravel(dots.get_facecolor())) for dots in axes.collections}
    assert len(colours) == len(present)
    shown = {names[number] for number in present}
    assert set(texts(axes)) == shown if classes <= 10 else set(texts(axes)) <= shown
    legend = axes.get_legend()
    assert (legend is not None) == (classes <= 10)
    if legend is not None:
        assert [text.get_text().strip() for text in legend.get_texts()] == names


def test_names_stay_near_their_points(figures: list[Figure]) -> None:
    """A hundred long names have no room where all points lie together: some are left out."""
    points, labels = torch.randn(2000, 2), torch.arange(2000) % 100
    names = [f"class_{number:03}_" + "n" * 60 for number in range(100)]
    charts.write_embedding(points, labels, names, Path("x.png"), "title", ("x", "y"))
    (axes,) = figures[0].axes
    figures[0].draw_without_rendering()
    frame = axes.get_window_extent()
    assert 1 < len(axes.texts) < 100
    for text in axes.texts:
        number = int(text.get_text()[6:9])
        height = text.get_window_extent().height
        median = axes.transData.transform(points[labels == number].median(0).values)[1]
        assert text.get_window_extent().y0 >= frame.y0 and text.get_window_extent().y1 <= frame.y1
        assert abs(axes.transData.transform(text.get_position())[1] - median) < 5 * height
    assert frame.height > 0.8 * figures[0].bbox.height


# Confusion and mistakes


@pytest.mark.parametrize("views", [(), (FlipView(), TranslateView())])
def test_confusion_counts_what_eval_counts(views: tuple[View, ...]) -> None:
    model, data = tiny(), dataset()
    module = nn.Sequential(Normalised(data.mean, data.deviation), model.module())
    parts = list(torch.arange(30).split(7))
    images = data.floats(pixels(data.test))
    found = inspect.answers(module, [(images[rows], data.test.labels[rows]) for rows in parts], views)
    counts = inspect.confusion(found)
    assert counts.dtype == torch.int64 and counts.sum() == 30
    assert counts.sum(1).tolist() == data.test.labels.bincount().tolist()
    scores = evaluate(model, data, data.test, FP32, views=views)
    assert counts.trace().item() / 30 == scores["accuracy"]
    assert not found.logits.requires_grad and module.training


class Normalised(nn.Module):
    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean[:, None, None]) / self.deviation[:, None, None]


def test_confusion_counts_pairs() -> None:
    predicted, labels = torch.tensor([0, 2, 2, 1, 0]), torch.tensor([0, 0, 0, 1, 2])
    counts = inspect.confusion(Answers(nn.functional.one_hot(predicted, 4).float(), labels))
    assert counts.tolist() == [[1, 0, 2, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_most_confident_mistakes_are_those_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 10 * torch.randn(200, 6, generator=generator)  # many a probability is 1 in float32
    labels = torch.randint(6, (200,), generator=generator)
    wrong: list[tuple[int, int, int, float]] = []
    for row in range(200):
        numbers = [exp(value) for value in logits[row].tolist()]
        best = numbers.index(max(numbers))
        if best != labels[row]:
            wrong.append((row, int(labels[row]), best, max(numbers) / sum(numbers)))
    wrong.sort(key=lambda mistake: -mistake[3])
    found = inspect.most_confident_mistakes(Answers(logits, labels), 25)
    assert [mistake[:3] for mistake in found] == [mistake[:3] for mistake in wrong[:25]]
    assert [own.probability for own in found] == pytest.approx([mistake[3] for mistake in wrong[:25]])
    assert inspect.most_confident_mistakes(Answers(logits, logits.argmax(1)), 5) == []


def test_the_picture_of_confusion(figures: list[Figure]) -> None:
    counts = torch.tensor([[8, 2, 0], [1, 3, 0], [0, 0, 0]])
    charts.write_confusion(counts, ["cat", "$dog", "_"], Path("x.png"), "title")
    axes = figures[0].axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(np.asarray(shown), [[0.8, 0.2, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 0.0]])
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "8", (1, 0): "2", (0, 1): "1", (1, 1): "3"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", r"\$dog", "_"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "class")
    charts.write_confusion(torch.eye(100, dtype=torch.int64), [str(n) for n in range(100)], Path("x"), "")
    assert not figures[1].axes[0].texts
    charts.write_confusion(counts, ["a" * 60, "b" * 60, "c"], Path("x.png"), "title")
    labels = [label.get_text() for label in figures[2].axes[0].get_yticklabels()]
    assert labels == ["a" * 11 + "…" + "a" * 12, "b" * 11 + "…" + "b" * 12, "c"]


# The command


def made(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_album_of_a_run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(trained / "cache"))
    result = run_netdsl("features", trained / "functional", "test:0-1", "-o", tmp_path / "a" / "b")
    assert result.exit_code == 0, result.output
    files = ["filters", "activations-layers.relu1", "embedding", "confusion", "mistakes"]
    assert result.stdout.splitlines()[-5:] == [f"wrote {tmp_path / 'a' / 'b' / file}.png" for file in files]
    assert made(tmp_path) == {"a"} and made(tmp_path / "a") == {"b"}
    assert made(tmp_path / "a" / "b") == {f"{file}.png" for file in files}
    evaluated = re.search(r"accuracy ([\d.]+%)", run_netdsl("eval", trained / "functional").output)
    assert evaluated is not None
    assert result.stdout.startswith(f"accuracy {evaluated[1]}, 360 test images\n")
    assert len(result.stdout.splitlines()) == 1 + 1 + 10 + 5


@pytest.mark.parametrize("style", STYLES)
def test_the_confusion_of_a_run(style: str, trained: Path, tmp_path: Path) -> None:
    run = open_run(trained / style)
    options = ("--only", "filters", "--format", "json", "--device", "cpu")
    result = run_netdsl("features", trained / style, *options, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert made(tmp_path) == {"filters.png"}
    found = json.loads(result.stdout)
    counts = np.array(found["confusion"])
    assert counts.sum() == found["images"] == 360
    assert found["accuracy"] == counts.trace() / 360
    data = run.preprocessing("best").applied(run.data(Console(quiet=True)))
    scores = evaluate(run.model("best", CPU), data, data.test, run.speed("cpu"))
    assert found["accuracy"] == pytest.approx(scores["accuracy"], abs=1e-15)
    assert counts.sum(1).tolist() == data.test.labels.bincount(minlength=10).tolist()
    first = found["mistakes"][0]
    row = int(first["image"].removeprefix("test:"))
    assert found["classes"][int(data.test.labels[row])] == first["label"] != first["predicted"]["class"]
    shares = [mistake["predicted"]["probability"] for mistake in found["mistakes"]]
    assert shares == sorted(shares, reverse=True)


def test_activation_maps_of_named_layers(trained: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = [trained / "module", pictures / "0.png", "--layer", "layers.conv", "--layer", "layers.bn1"]
    result = run_netdsl("features", *arguments, "--only", "activations", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert made(tmp_path) == {"activations-layers.conv.png", "activations-layers.bn1.png"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["test:0", "--layer", "stem"], "there is no layer `stem`\n  = help: the network has `layers`"),
        (["test:0", "--layer", "../x"], "there is no layer `../x`"),
        (["test:0", "--layer", "layers.linear1"], "`layers.linear1` is not a feature map: it has 10 numbers"),
        (["nothing.png"], "nothing.png: no such file"),
        (["test:360"], "the run has 360 test images"),
        (["test:0-10"], "11 images have no room in one picture\n  = help: name 10 or fewer"),
    ],
)
def test_what_cannot_be_looked_at(
    arguments: list[str], message: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_netdsl("features", trained / "module", *arguments, "-o", "out")
    assert result.exit_code == 1
    assert message in result.stderr
    assert made(tmp_path) == set()


@pytest.mark.parametrize("option", [("--layer", "layers"), ("--only", "activations")])
def test_activations_are_of_an_image(option: tuple[str, str], trained: Path, tmp_path: Path) -> None:
    result = run_netdsl("features", trained / "module", *option, "-o", tmp_path)
    assert result.exit_code == 2
    assert "activation maps need an IMAGE: name one, such as test:0" in result.stderr


def test_where_nothing_can_be_written(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    only = ("--only", "filters")
    assert run_netdsl("features", trained / "module", *only, "-o", tmp_path / "file").exit_code == 2
    result = run_netdsl("features", trained / "module", *only, "-o", tmp_path / "file" / "folder")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert made(tmp_path) == {"file"} and (tmp_path / "file").read_text() == "mine"


def test_what_a_network_does_not_have_is_said(colours: Path) -> None:
    """A network without filters that are images: the other pictures are drawn all the same."""
    Path("one.net").write_text(
        "network one\ninput 1x8x8\nclasses 2\n" "layers { conv(2, 1), relu, flatten, linear(classes) }\n"
    )
    options = ("--data", "folder:images", "--epochs", "1", "--batch", "8")
    result = run_netdsl("train", "one.net", *options, "--run", "gray")
    assert result.exit_code == 0, result.output
    result = run_netdsl("features", "gray", "--method", "pca", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "no filters.png: the filters of the first layer, `layers.conv1`, are 1x1" in result.stderr
    assert {"embedding.png", "confusion.png"} <= made(colours / "out")
    assert "filters.png" not in made(colours / "out")
    result = run_netdsl("features", "gray", "--only", "filters", "-o", "none")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the filters of the first layer")
    assert not (colours / "none").exists()
