"""Generated attention in other number formats, compiled, and beside torch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from netdsl.api.network import Network
from tests.support.building import build

PLAIN = "attention(2)"
WINDOWS = "attention(2, window=4, shift=2, bias=relative)"
COSINES = "attention(2, window=4, shift=2, bias=continuous, cosine=yes)"
FORMS = (
    PLAIN,
    WINDOWS,
    COSINES,
    "attention(2, window=2, grid=yes, scale=0.2)",
    "attention(2, window=4, shift=1)",
)


def network(step: str) -> Network:
    return build(
        f"network n\ninput 3x8x8\nclasses 2\nstem {{ conv(8, 1), layernorm, {step} }}\n"
        "head { layernorm, global_avgpool, flatten, linear(classes) }\n"
    )


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("step", FORMS)
def test_bfloat16(step: str) -> None:
    torch.manual_seed(0)
    module = network(step).module()
    expected = module(X)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = module(X)
    mixed.sum().backward()
    whole = module.bfloat16()(X.bfloat16())
    for found in (mixed, whole):
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("step", [PLAIN, WINDOWS, COSINES])
def test_is_one_graph(step: str) -> None:
    """`torch.compile` traces it without a break; the backend here runs the graph as it is."""
    module = network(step).module()
    graphs: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(module, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(X), module(X))
    assert len(graphs) == 1


def test_is_multihead_attention() -> None:
    """As they are initialised, and what they compute."""
    torch.manual_seed(0)
    ours: Any = build(f"network n\ninput 8x3x4\nlayers {{ {PLAIN} }}\ninit pytorch\n").module().attention
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias.normal_())
        theirs.out_proj.weight.copy_(ours.proj.weight)
        theirs.out_proj.bias.copy_(ours.proj.bias.normal_())
    x = torch.randn(2, 8, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)
    expected, _ = theirs(tokens, tokens, tokens)
    torch.testing.assert_close(ours(x).flatten(2).transpose(1, 2), expected)
