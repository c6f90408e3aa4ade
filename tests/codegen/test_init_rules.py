"""Rules of `init`: every rule on every kind of weight, in every style, against `torch.nn.init` itself."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from netdsl.api.network import Network
from netdsl.language.init_rules import FOR_KERNELS, RULES
from tests.codegen.test_initialisation import STYLES, parameters
from tests.support.building import build

NETWORK = """
network n
input 64x8x8
block b(out, stride=1) {
  skip { conv(out, 3, stride, groups=4), bn, relu, conv(out, 1), bn } shortcut { conv(out, 1, stride), bn }
}
stem { conv(96, 5), depthwise(7), conv_transpose(64, 4, groups=2) }
stage b(128, stride=2)
stage b(128)
head { named: conv(64, 3), global_avgpool, flatten, linear(256), linear(100, bias=no) }
"""
ARGUMENTS = {
    "kaiming_normal": ["", "mode=fan_out", "nonlinearity=sigmoid", "fan_out, tanh"],
    "kaiming_uniform": ["", "mode=fan_out, nonlinearity=linear"],
    "xavier_normal": ["", "gain=2"],
    "xavier_uniform": ["", "gain=0.5"],
    "normal": ["", "std=0.01", "0.5, 0.1"],
    "uniform": ["-0.1, 0.3", "a=0, b=2"],
    "trunc_normal": ["std=0.02", "1"],
    "constant": ["0.25"],
    "zeros": [""],
    "ones": [""],
    "dirac": ["", "rest=pytorch"],
    "pytorch": [""],
}
# Where each key of `init` puts its weight, by the shape's first lengths and the module's type.
KINDS: dict[str, tuple[type[nn.Module] | tuple[type[nn.Module], ...], str]] = {
    "conv": (nn.Conv2d, "weight"),
    "depthwise": (nn.Conv2d, "weight"),
    "conv_transpose": (nn.ConvTranspose2d, "weight"),
    "linear": (nn.Linear, "weight"),
    "bn": (nn.BatchNorm2d, "weight"),
    "bias": ((nn.Conv2d, nn.ConvTranspose2d, nn.Linear), "bias"),
}


# All rules are tried on convolutions, these on the other kinds.
SOME = ["kaiming_normal(mode=fan_out)", "xavier_uniform", "normal(std=0.01)", "constant(0.25)", "pytorch"]


def cases() -> list[tuple[str, str]]:
    """Keys and rules that go together."""
    every = [f"{name}({given})" if given else name for name in ARGUMENTS for given in ARGUMENTS[name]]
    found = [(key, rule) for key in KINDS for rule in (every if key == "conv" else SOME)]
    return [
        (key, rule)
        for key, rule in found
        if key not in ("bias", "bn") or rule.partition("(")[0] not in FOR_KERNELS
    ]


def test_every_rule_has_arguments() -> None:
    assert ARGUMENTS.keys() | {"prior", "whiten"} == RULES.keys()


@pytest.mark.parametrize("key", ["named", "linear", "bias"])
def test_a_prior_is_the_probability_that_a_sigmoid_begins_with(key: str) -> None:
    layers = {
        name: module
        for name, module in build(f"{NETWORK}init pytorch {{ {key} prior(0.01) }}\n").module().named_modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module.bias is not None
    }
    for name, layer in layers.items():
        meant = key == "bias" or (isinstance(layer, nn.Linear) if key == "linear" else name == key)
        assert layer.bias is not None
        assert ((layer.bias.sigmoid() - 0.01).abs().max() < 1e-6) == meant, name
    assert all(layer.weight.std() > 0 for layer in layers.values())


def reference(rule: str, tensor: Tensor) -> Tensor:
    """The tensor as torch's function fills it, with arguments read here once more."""
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?", rule)
    assert match is not None
    name, given = match[1], match[2] or ""
    function = getattr(nn.init, f"{name}_")
    parts = [part.strip().partition("=") for part in given.split(",") if part.strip()]
    order = {
        "kaiming": ["mode", "nonlinearity"],
        "trunc": ["std"],
        "constan": ["val"],
        "normal": ["mean", "std"],
    }
    names = next((own for start, own in order.items() if name.startswith(start)), ["a", "b"])
    named: dict[str, object] = {"nonlinearity": "relu"} if name.startswith("kaiming") else {}
    for index, (left, equals, right) in enumerate(parts):
        key, value = (left, right) if equals else (names[index], left)
        named[key] = value if value.isidentifier() else float(value)
    result: Tensor = function(torch.empty_like(tensor), **named)
    return result


def chosen(network: Network, key: str) -> list[str]:
    """The names of the tensors that a key is for."""
    types, own = KINDS[key]
    found = []
    for name, module in network.module().named_modules():
        depthwise = isinstance(module, nn.Conv2d) and module.groups == module.in_channels
        right = isinstance(module, types) and (key in ("bias", "bn") or depthwise == (key == "depthwise"))
        if right and getattr(module, own) is not None:
            found.append(f"{name}.{own}")
    return found


def assert_alike(drawn: Tensor, expected: Tensor, name: str) -> None:
    """The same distribution: mean and deviation within what chance explains, the same ends."""
    drawn, expected = drawn.detach(), expected.detach()
    if not expected.std() > 0 or (expected == expected.flatten()[0]).all():
        assert torch.equal(drawn, expected), name
        return
    sigma = float(expected.std())
    chance = 6 / expected.numel() ** 0.5
    assert abs(float(drawn.std()) / sigma - 1) < chance, name
    assert abs(float(drawn.mean() - expected.mean())) < chance * sigma, name
    # Normal, uniform and truncated distributions differ in their ends.
    assert abs(float(drawn.abs().max() / expected.abs().max()) - 1) < 0.5, name


@pytest.fixture(scope="module")
def plain() -> dict[str, Tensor]:
    """The initialisation of torch's layers."""
    return parameters(build(f"{NETWORK}init pytorch\n"), "module")


@pytest.mark.parametrize("key, rule", cases())
def test_rule(key: str, rule: str, plain: dict[str, Tensor]) -> None:
    function = rule.partition("(")[0]
    network = build(f"{NETWORK}init pytorch {{\n  {key} {rule}\n}}\n")
    names = chosen(network, key)
    assert names
    for name, tensor in (item for style in STYLES for item in parameters(network, style).items()):
        covered = name in names or (key == "conv" and name in chosen(network, "depthwise"))
        if covered and function == "dirac":
            # As without groups: what torch's default and the layers of one group have.
            expected = nn.init.dirac_(torch.empty_like(tensor))
            first = tensor.shape[1] if "rest" in rule else len(tensor)
            assert torch.equal(tensor[:first], expected[:first])
            if first < len(tensor):
                assert_alike(tensor[first:], plain[name][first:], name)
        elif covered and function != "pytorch":
            assert_alike(tensor, reference(rule, tensor), name)
        else:
            assert_alike(tensor, plain[name], name)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("base", ["kaiming", "pytorch"])
def test_labels_come_before_kinds_and_last_norms_before_norms(style: str, base: str) -> None:
    text = (
        f"{NETWORK}init {base} {{\n  named ones\n  conv constant(0.5)\n  depthwise constant(0.25)\n"
        "  bn constant(2)\n  last_bn zeros\n}\n"
    )
    network = build(text)
    drawn = parameters(network, style)
    for name, tensor in drawn.items():
        if name.endswith("bias"):
            continue
        if "named" in name:
            expected = 1.0
        elif "last_norm" in name:
            expected = 0.0
        elif tensor.dim() == 1:
            expected = 2.0
        elif name == "stem.1.weight":
            expected = 0.25
        elif name.startswith("fc") or name == "stem.2.weight":
            continue
        else:
            expected = 0.5
        assert torch.equal(tensor, torch.full_like(tensor, expected)), name


@pytest.mark.parametrize("style", STYLES)
def test_frozen_tensors_are_not_trained(style: str) -> None:
    network = build(
        "network n\ninput 3x8x8\n"
        "block b(out, frozen=no) { conv(out, 3, freeze=frozen), bn(freeze=weight), relu }\n"
        "stem { first: conv(4, 3, freeze=yes), prelu(freeze=yes), layer_scale(0.5, freeze=weight) }\n"
        "stage b(4, frozen=yes)\nstage b(4)\n"
        "head { global_avgpool, flatten, linear(2, freeze=bias) }\n"
    )
    frozen = [not tensor.requires_grad for tensor in parameters(network, style).values()]
    stem, first, second, head = (
        [True] * 4,
        [True, True, True, False],
        [False, False, True, False],
        [False, True],
    )
    assert frozen == [*stem, *first, *second, *head]
