"""Weights at the start: the same distribution in every style, and what `init_params` takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import netdsl
from netdsl.api import Network
from tests.building import build

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
