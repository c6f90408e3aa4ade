"""Networks to look into: their layers have names, and they compute what the trained network computes."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

import netdsl
from netdsl import inspect
from netdsl.api.network import Network
from netdsl.compiler import STYLES, Style
from netdsl.inspect import Inspected
from netdsl.ir.layer_names import layers
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import create
from netdsl.trained.open_run import create_model
from tests.support import strategies
from tests.support.building import VARIED, build
from tests.support.looking import opened, unchanged

# A block in a branch, a shortcut with steps, a loop, a label and a tensor that is taken up again.
EVERYTHING = """\
network everything
input 3x8x8
classes 10
order bn, relu, conv
stem { first: conv(4, 3) }
stages residual {
  out repeat stride
  4 2 1
  8 1 2
}
layers { repeat 2 { conv(8, 3), relu }, last: conv(8, 1) }
layers {
  save early
  relu
  concat { | identity | squeeze(2), conv(8, 1) | from early, relu }
  skip { conv(20, 3) } shortcut { bn, conv(20, 1) }
}
head { global_avgpool, flatten, linear(classes) }
block squeeze(width) { conv(width, 1), relu }
"""


def assert_layers_are_their_tensors(network: Network) -> None:
    """Each layer is seen once, with the shape that the compiler knows; of tensors without numbers."""
    meta = torch.device("meta")
    with meta:
        code = vars(network.imported("functional"))
        model = Inspected(network, create(code, "functional", "forward", 0, meta, torch.contiguous_format))
        module = network.module()
    every = layers(network.typed, in_training=True)
    assert sum(len(layer.parameters) for layer in every) == len(list(module.parameters()))
    norms = [layer for layer in every if layer.kind == "bn" and not layer.shared]
    assert len(norms) == sum(isinstance(own, nn.BatchNorm2d) for own in module.modules())
    seen: list[str] = []

    def watch(name: str, shape: tuple[int, ...]) -> None:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            assert tuple(output.shape[1:]) == shape, name
            seen.append(name)

        model.get_submodule(name).register_forward_hook(hook)

    for layer in model.named:
        watch(layer.name, layer.output)
    model(torch.zeros(2, *network.input_shape, device="meta"))
    assert sorted(seen) == sorted(layer.name for layer in model.named)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("name", VARIED)
def test_layers_of_shipped_networks(name: str) -> None:
    assert_layers_are_their_tensors(netdsl.load(name))


@settings(deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.networks())
def test_layers_of_random_networks(text: str) -> None:
    assert_layers_are_their_tensors(build(text))


def test_names() -> None:
    names = [layer.name for layer in opened(build(EVERYTHING)).named]
    assert names[:2] == ["stem.first", "stem"]
    block = [name.removeprefix("stage2.block1.") for name in names if name.startswith("stage2.block1.")]
    assert block == ["bn1", "relu1", "conv1", "bn2", "relu2", "conv2", "skip1.shortcut.conv1", "skip1"]
    assert [name for name in names if name.startswith("layers1")] == [
        *("layers1.conv1", "layers1.relu1", "layers1.conv2", "layers1.relu2", "layers1.last", "layers1"),
    ]
    assert [name for name in names if name.startswith("layers2")] == [
        "layers2.relu1",
        *("layers2.concat1.branch2.squeeze1.conv1", "layers2.concat1.branch2.squeeze1.relu1"),
        *("layers2.concat1.branch2.squeeze1", "layers2.concat1.branch2.conv1"),
        *("layers2.concat1.branch3.relu1", "layers2.concat1"),
        *("layers2.conv1", "layers2.skip1.shortcut.bn1", "layers2.skip1.shortcut.conv1", "layers2.skip1"),
        "layers2",
    ]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("resnet32", "stage3"),
        ("vgg", "features.relu13"),  # not the pool after it
        ("convnet", "layers.relu4"),
        ("squeezenet", "features"),
        ("densenet", "denseblock4"),  # not the norm in the head
        ("two_layer_fc", None),
    ],
)
def test_the_last_feature_map(name: str, expected: str | None) -> None:
    found = inspect.last_feature_map(inspect.layers(netdsl.load(name).typed))
    assert (found and found.name) == expected


@pytest.mark.parametrize("style", STYLES)
def test_styles_compute_the_same(style: Style) -> None:
    network = build(EVERYTHING)
    model = create_model(network, style, 0, torch.device("cpu"))
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        for tensor in model.statistics:
            if tensor.dim():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    torch.testing.assert_close(Inspected(network, model)(images), model(images, training=False))


def test_short_names_and_wrong_ones() -> None:
    model = opened(build(EVERYTHING))
    assert inspect.find(model, "stage2.conv2") is model.get_submodule("stage2.block1.conv2")
    assert inspect.find(model, "layers2.conv") is model.get_submodule("layers2.conv1")
    for name, help in [
        ("stage3", "the network has `stem`, `stage1`, `stage2`, `layers1`, `layers2`, `head`"),
        ("stage1.conv1", "`stage1` has `block1`, `block2`"),
        ("stage2.conv", "`stage2` has `block1`"),
        ("stem.first.conv1", "`stem.first` has no layers inside"),
    ]:
        with pytest.raises(RunError, match=f"no layer `{name}`") as error:
            inspect.find(model, name)
        assert error.value.help == help


@pytest.mark.parametrize("plain", [True, False])
def test_nothing_is_left_behind(plain: bool) -> None:
    network = build(EVERYTHING)
    model: nn.Module = network.module().train() if plain else opened(network)

    def break_off(module: nn.Module, inputs: object, output: Tensor) -> None:
        raise KeyboardInterrupt

    with unchanged(model):
        handle = inspect.find(model, "stage2").register_forward_hook(break_off)
        with pytest.raises(KeyboardInterrupt), inspect.evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not any(weight.requires_grad for weight in model.parameters())
            inspect.activations(model, torch.rand(2, 3, 8, 8), ["stage1", "stage2"])
        handle.remove()
    assert all(weight.requires_grad == plain for weight in model.parameters())


def test_activations_need_no_head() -> None:
    model = opened(build(EVERYTHING))
    with inspect.evaluating(model):
        seen = inspect.activations(model, torch.rand(1, 3, 24, 16), ["stage2", "stem"])
    assert {name: tuple(tensor.shape) for name, tensor in seen.items()} == {
        "stem": (1, 4, 24, 16),
        "stage2": (1, 8, 12, 8),
    }


def test_weights_of_another_network_are_refused() -> None:
    other = create_model(netdsl.load("resnet32"), "module", 0, torch.device("cpu"))
    with pytest.raises(RunError, match="the weights don't match `everything`"):
        Inspected(build(EVERYTHING), other)


def test_weights_from_elsewhere(tmp_path: Path) -> None:
    network = build(EVERYTHING)
    reference = network.module().eval()
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    images = torch.rand(2, 3, 8, 8)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in inspect.IMAGENET)
    with torch.no_grad():
        expected = reference((images - mean) / deviation)
    torch.testing.assert_close(inspect.open_weights(network, tmp_path / "weights.pth")(images), expected)


def test_copies_have_weights_of_their_own() -> None:
    model, images = opened(build(EVERYTHING)), torch.rand(2, 3, 8, 8)
    before = model(images)
    copy = deepcopy(model)
    torch.testing.assert_close(copy(images), before, rtol=0, atol=0)
    with inspect.captured(model, ["stage2"]) as own, inspect.captured(copy, ["stage2"]) as seen:
        for weight in copy.parameters():
            weight.zero_()
        copy(images)
        assert not own and not seen["stage2"].any()
    torch.testing.assert_close(model(images), before, rtol=0, atol=0)


def test_parameters_are_the_weights_alone() -> None:
    network = build(EVERYTHING)
    trained = create_model(network, "module", 0, torch.device("cpu"))
    model = Inspected(network, trained)
    shapes = [tuple(weight.shape) for weight in trained.parameters]
    assert [tuple(weight.shape) for weight in model.parameters()] == shapes
    logits = model.requires_grad_(True)(torch.rand(2, 3, 8, 8))
    for gradient in torch.autograd.grad(logits.sum(), list(model.parameters()), allow_unused=True):
        assert gradient is None or gradient.isfinite().all()
    assert all(weight.requires_grad for weight in trained.parameters)  # as in training
    # No list of weights is offered as a layer.
    children = {layer.name.partition(".")[0] for layer in model.named}
    assert {name for name, _ in model.named_children()} == children
