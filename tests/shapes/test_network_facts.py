"""Facts of a whole network: depth, receptive field, output; and `--input`."""

from __future__ import annotations

import pytest
import torch

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics.network_error import NetworkError
from netdsl.ir.typed import TypedNetwork
from netdsl.syntax.net_files import shipped
from tests.support.building import build

START = "network n\ninput 3x32x32\n"


def typed(text: str, **settings: str) -> TypedNetwork:
    network = compile_network(Source("n.net", START + text), settings).network
    assert network is not None
    return network


@pytest.mark.parametrize(
    "body, depth",
    [
        ("relu, bn", 0),
        ("conv(4, 3), relu, depthwise(3), conv_transpose(4, 2)", 3),
        ("conv(4, 3), skip { conv(4, 3), conv(4, 3) }", 3),
        ("skip { conv(4, 3) } shortcut { conv(4, 1), conv(4, 1), conv(4, 1) }", 3),
        ("concat { | conv(4, 1) | conv(4, 1), add { | conv(4, 1) | identity } }, flatten, linear(2)", 3),
        ("repeat 5 { conv(4, 3), conv(4, 1) }", 10),
        ("save a, repeat 7 { conv(4, 3) }, concat { | identity | from a, conv(4, 1) }", 7),
        ("save a, conv(4, 3), from a, conv(4, 3)", 1),
        ("mul { | identity | global_avgpool, conv(4, 1), conv(3, 1), sigmoid }", 2),
    ],
)  # fmt: skip
def test_depth_is_that_of_the_longest_path(body: str, depth: int) -> None:
    assert typed(f"stem {{ {body} }}\n").depth == depth


@pytest.mark.parametrize(
    "body, field",
    [
        ("relu, bn", 1),
        ("conv(4, 3)", 3),
        ("conv(4, 3), conv(4, 3)", 5),
        ("conv(4, 3, stride=2), conv(4, 3)", 7),
        ("conv(4, 3, dilation=4)", 9),
        ("conv(4, 7, stride=2), maxpool(3, stride=2, padding=1), conv(4, 3)", 19),
        ("conv(4, 1x5)", 5),
        ("concat { | conv(4, 3) | conv(4, 5), conv(4, 3) }", 7),
        ("repeat 10 { conv(3, 3) }", 21),
        ("skip { conv(4, 1) } shortcut { conv(4, 5) }", 5),
        ("avgpool(2), conv(4, 3), global_avgpool, flatten, linear(7)", 6),
        ("upsample(2), conv(4, 3)", 2),
        ("maxpool(2), save a, conv(4, 3), from a, conv(4, 1)", 2),
    ],
)
def test_receptive_field(body: str, field: int) -> None:
    assert typed(f"stem {{ {body} }}\n").receptive_field == field


@pytest.mark.parametrize("body", ["conv(4, 3, 2), maxpool(3, 2, padding=1), conv(4, 3), skip { conv(4, 5) }"])
def test_receptive_field_is_where_gradients_reach(body: str) -> None:
    """Of the middle of the output, through random positive weights: what it depends on in the input."""
    network = build(f"network n\ninput 3x128x128\nstem {{ {body.replace('maxpool', 'avgpool')} }}\n")
    module = network.module().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    x = torch.ones(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    y = module(x)
    (gradient,) = torch.autograd.grad(y[0, :, 16, 16].sum(), x)
    seen = gradient[0].abs().sum(dim=(0, 1)).nonzero()
    field = int(seen.max() - seen.min()) + 1
    found = typed(f"stem {{ {body.replace('maxpool', 'avgpool')} }}\n".replace("32x32", "128x128"))
    assert found.receptive_field == field


def test_facts_of_published_networks() -> None:
    text = shipped()["resnet50"].read_text()
    network = compile_network(Source("resnet50.net", text)).network
    assert network is not None
    assert (network.depth, network.receptive_field) == (50, 427)  # Araujo et al. 2019, with the stride in 3x3


def test_expectations_that_hold() -> None:
    build(
        START + "stem { conv(4, 3) }\nexpect depth == 1\nexpect receptive_field <= 3\n"
        "expect output == 4x32x32\nexpect output != 4x32x33\nexpect macs == 3 * 9 * 4 * 32 * 32\n"
        "expect params == 3 * 9 * 4 + 4\n"
    )
    build(START + "stem { flatten, linear(5) }\nexpect output == 5\nexpect output != 5x1x1\n")


@pytest.mark.parametrize(
    "fact",
    ["depth > 1", "receptive_field == 5", "output == 4x32x31", "output == 4", "macs < 1k", "params != 112"],
)
def test_expectations_that_fail(fact: str) -> None:
    with pytest.raises(NetworkError, match="NET601"):
        build(START + f"stem {{ conv(4, 3) }}\nexpect {fact}\n")


def test_the_input_can_be_overridden() -> None:
    text = START + "stem { conv(4, 3, stride=2) }\nexpect output == 4x16x16\nexpect params == 112\n"
    assert build(text).output_shape == (4, 16, 16)
    assert build(text, input="3x64x48").output_shape == (4, 32, 24)
    with pytest.raises(NetworkError, match="NET601"):
        build(text, input="1x64x64")
    with pytest.raises(NetworkError, match="NET302"):
        build(text, input="64x64")
