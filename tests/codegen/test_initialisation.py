"""Weights at the start: the same distribution in every style, and what `init_params` takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import netdsl
from netdsl.api.network import Network
from tests.support.building import build

STYLES = ["module", "functional", "sequential"]

NETWORK = """
network n
input 64x8x8
block b(out, stride=1) {
  skip { conv(out, 3, stride, groups=4), bn, relu, conv(out, 1) } shortcut { conv(out, 1, stride, bias=no) }
}
stem { conv(96, 5) }
stage b(128, stride=2)
head { bn, global_avgpool, flatten, linear(256), linear(100, bias=no) }
"""


def parameters(network: Network, style: str, seed: int = 0) -> dict[str, Tensor]:
    """A style's parameters by the names that the module gives them: the order is the same."""
    torch.manual_seed(seed)
    names = [name for name, _ in network.module().named_parameters()]
    torch.manual_seed(seed)
    if style == "functional":
        tensors = network.functional()[0]()
    else:
        tensors = list((network.module() if style == "module" else network.sequential()).parameters())
    return dict(zip(names, tensors, strict=True))


def layers(network: Network) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a network and their names, in the order of their parameters."""
    for name, module in network.module().named_modules():
        if list(module.parameters(recurse=False)):
            yield name, module


@pytest.mark.parametrize("style", STYLES)
def test_kaiming(style: str) -> None:
    network = build(NETWORK + "init kaiming\n")
    drawn = parameters(network, style)
    checked = 0
    for name, layer in layers(network):
        weight, bias = drawn[f"{name}.weight"], drawn.get(f"{name}.bias")
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(weight, torch.ones_like(weight))
        elif weight.numel() >= 4000:
            fan_in = weight[0].numel()
            assert abs(float(weight.detach().std()) / math.sqrt(2 / fan_in) - 1) < 0.03
            assert abs(float(weight.detach().mean())) < 0.05 * math.sqrt(2 / fan_in)
            # Normal, not uniform: a uniform one ends at 1.73 standard deviations.
            assert float(weight.detach().abs().max()) > 3 * float(weight.detach().std())
            checked += 1
        if bias is not None:
            assert torch.equal(bias, torch.zeros_like(bias))
    assert checked == 6


@pytest.mark.parametrize("style", STYLES)
def test_pytorch_is_what_torch_layers_do_by_themselves(style: str) -> None:
    network = build(NETWORK + "init pytorch\n")
    drawn = parameters(network, style)
    for name, layer in layers(network):
        weight, bias = drawn[f"{name}.weight"], drawn.get(f"{name}.bias")
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(weight, torch.ones_like(weight))
            assert bias is not None and torch.equal(bias, torch.zeros_like(bias))
            continue
        bound = 1 / math.sqrt(weight[0].numel())
        assert float(weight.detach().abs().max()) <= bound
        if weight.numel() >= 4000:
            assert float(weight.detach().abs().max()) > 0.99 * bound
            assert abs(float(weight.detach().std()) / (bound / math.sqrt(3)) - 1) < 0.03
            own = layer.weight
            assert isinstance(own, Tensor)
            assert abs(float((weight.std() / own.std()).detach()) - 1) < 0.05
        if bias is not None:
            assert 0.9 * bound < float(bias.detach().abs().max()) <= bound


RULES = """
network n
input 64x8x8
block b(out, stride=1) {
  skip { conv(out, 3, stride), bn, relu, depthwise(5), bn } shortcut { wide: conv(out, 1, stride, bias=no) }
  when stride == 1 { edge: conv(out, 1) } else { conv(out, 1, groups=2), conv_transpose(out, 3) }
}
stem { conv(96, 5) }
stage b(128, repeat=2, stride=2)
head { bn, global_avgpool, flatten, linear(256), prelu, first: linear(200, bias=no) }
"""

# The rule and what it makes: the law, standard deviation or bound.
DRAWN: dict[str, tuple[str, float | str]] = {
    "kaiming_normal": ("normal", "sqrt(2 / fan_in)"),
    "kaiming_normal(mode=fan_out, nonlinearity=linear)": ("normal", "sqrt(1 / fan_out)"),
    "kaiming_uniform(nonlinearity=leaky_relu)": ("uniform", "sqrt(2 / fan_in)"),
    "xavier_normal": ("normal", "sqrt(2 / (fan_in + fan_out))"),
    "xavier_uniform(gain=3)": ("uniform", "3 * sqrt(2 / (fan_in + fan_out))"),
    "normal": ("normal", 1.0),
    "normal(mean=0, std=0.02)": ("normal", 0.02),
    "uniform(-0.3, 0.3)": ("uniform", 0.3 / math.sqrt(3)),
    "trunc_normal(0.05)": ("normal", 0.05),
    "pytorch": ("uniform", "sqrt(1 / (3 * fan_in))"),
}


def assert_drawn(tensor: Tensor, law: str, expected: float | str) -> None:
    """The tensor's distribution, as far as so many numbers tell."""
    receptive = tensor[0, 0].numel()
    fans = {"fan_in": tensor.shape[1] * receptive, "fan_out": tensor.shape[0] * receptive}
    std = expected if isinstance(expected, float) else float(eval(expected, {"sqrt": math.sqrt, **fans}))
    values = tensor.detach()
    assert abs(float(values.std()) / std - 1) < 0.04
    assert abs(float(values.mean())) < 0.06 * std
    assert (float(values.abs().max()) > 2.5 * std) == (law == "normal")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rule", DRAWN)
def test_every_rule_that_draws(rule: str, style: str) -> None:
    network = build(f"{RULES}init {{ conv {rule}\n linear {rule} }}\n")
    drawn = parameters(network, style)
    large = [(layer, drawn[f"{name}.weight"]) for name, layer in layers(network)]
    large = [(layer, weight) for layer, weight in large if weight.ndim > 1 and weight.numel() > 3000]
    assert len(large) >= 9
    for layer, weight in large:
        law = DRAWN[rule]
        if isinstance(layer, nn.ConvTranspose2d):  # a kind without a rule: the base's
            law = ("normal", "sqrt(2 / fan_in)")
        assert_drawn(weight, *law)


@pytest.mark.parametrize("style", STYLES)
def test_rules_by_kind_and_label(style: str) -> None:
    init = """init pytorch {
      conv normal(std=0.1), depthwise constant(0.25), bias constant(0.5), bn constant(2), last_bn zeros
      prelu ones, edge dirac, wide xavier_normal, first zeros
    }""".replace(", ", "\n")
    network = build(f"{RULES}{init}\n")
    drawn = parameters(network, style)
    first = {**drawn}
    for block in ("stage1.0", "stage1.1"):
        for name, value in {
            "body.1.weight": 2.0, "body.1.bias": 0.0, "body.3.weight": 0.25, "body.3.bias": 0.5,
            "last_norm.weight": 0.0, "last_norm.bias": 0.0,
        }.items():  # fmt: skip
            tensor = first.pop(f"{block}.{name}")
            assert torch.equal(tensor, torch.full_like(tensor, value)), name
        assert_drawn(first.pop(f"{block}.body.0.weight"), "normal", 0.1)
        assert torch.unique(first.pop(f"{block}.body.0.bias")).tolist() == [0.5]
    assert_drawn(first.pop("stage1.0.wide.weight"), "normal", "sqrt(2 / (fan_in + fan_out))")
    assert torch.equal(first.pop("stage1.1.edge.weight")[:, :, 0, 0], torch.eye(128))
    assert torch.unique(first.pop("first.weight")).tolist() == [0.0]
    assert torch.unique(first.pop("prelu.weight")).tolist() == [1.0]
    for name, tensor in first.items():
        if name.endswith("bias"):
            assert torch.unique(tensor).tolist() == [0.5 if "bn" not in name else 0.0], name


@pytest.mark.parametrize("style", STYLES)
def test_frozen_parameters_stay_in_their_place(style: str) -> None:
    network = build(
        "network n\ninput 4x8x8\nblock b(f) { conv(4, 3, freeze=f), bn(freeze=bias) }\n"
        "stem { conv(4, 3, freeze=yes), b(yes), b(no), linear_: conv(4, 1, freeze=weight) }\n"
    )
    trained = [tensor.requires_grad for tensor in parameters(network, style).values()]
    assert trained == [False, False] + [False, False, True, False] + [True, True, True, False] + [False, True]


def test_kaiming_is_the_default() -> None:
    assert build(NETWORK).source("functional") == build(NETWORK + "init kaiming\n").source("functional")


def functional() -> Any:
    return netdsl.load("resnet32").imported("functional")


def test_a_generator_makes_parameters_reproducible() -> None:
    for name in ("resnet32", "preresnet"):  # drawn uniformly, drawn normally
        code: Any = netdsl.load(name).imported("functional")
        first, again, other = (
            code.init_params(generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
        assert all(map(torch.equal, first, again))
        assert not all(map(torch.equal, first, other))


def test_the_global_seed_makes_parameters_reproducible() -> None:
    code = functional()
    torch.manual_seed(3)
    first = code.init_params()
    torch.manual_seed(3)
    assert all(map(torch.equal, first, code.init_params()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype(dtype: torch.dtype) -> None:
    code = functional()
    assert {tensor.dtype for tensor in code.init_params(dtype=dtype)} == {dtype}
    assert {tensor.dtype for tensor in code.init_buffers(dtype=dtype)} == {dtype}


def test_device() -> None:
    code = functional()
    params, buffers = code.init_params(device="meta"), code.init_buffers(device="meta")
    assert {tensor.device.type for tensor in [*params, *buffers]} == {"meta"}
    x = torch.empty(2, 3, 32, 32, device="meta")
    assert code.forward(x, params, buffers).shape == (2, 10)


def test_default_dtype_is_torch_default() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert {tensor.dtype for tensor in functional().init_params()} == {torch.float64}
    finally:
        torch.set_default_dtype(torch.float32)


def test_parameters_are_leaves_that_require_gradients_and_buffers_none() -> None:
    code = functional()
    params, buffers = code.init_params(), code.init_buffers()
    assert all(tensor.is_leaf and tensor.requires_grad for tensor in params)
    assert all(tensor.is_leaf and not tensor.requires_grad for tensor in buffers)
    assert len({tensor.data_ptr() for tensor in [*params, *buffers]}) == len(params) + len(buffers)
    means, variances = buffers[::2], buffers[1::2]
    assert all(torch.equal(tensor, torch.zeros_like(tensor)) for tensor in means)
    assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in variances)


def test_training_moves_the_running_statistics_and_evaluation_does_not() -> None:
    code = functional()
    params, buffers = code.init_params(), code.init_buffers()
    before = [tensor.clone() for tensor in buffers]
    x = torch.randn(4, 3, 32, 32)
    code.forward(x, params, buffers, training=False)
    assert all(map(torch.equal, before, buffers))
    code.forward(x, params, buffers)
    assert not any(map(torch.equal, before, buffers))
