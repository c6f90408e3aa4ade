"""Networks with several outputs, and tensors that are saved across sections."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from netdsl.diagnostics.network_error import NetworkError
from tests.support.building import HEAD, SMALL, build, codes
from tests.support.equality import assert_counts_are_torchs, assert_styles_agree

EXITS = SMALL.replace("small", "exits(aux=yes)") + """
stem { conv(4, 3), bn, relu, save early }
stage residual(8, stride=2)
head { global_avgpool, flatten, fc: linear(classes), save logits }
layers { when aux { from early, global_avgpool, flatten, dropout(0.5), exit: linear(classes), save aux1 } }
output logits, early
output aux1 when aux and training
"""


def test_outputs_are_a_tuple_in_their_order_and_more_in_training() -> None:
    network = build(EXITS)
    assert network.output_shapes == {"logits": (2,), "early": (4, 8, 8), "aux1": (2,)}
    model, x = network.module(), torch.randn(2, 3, 8, 8)
    assert [tuple(output.shape) for output in model.train()(x)] == [(2, 2), (2, 4, 8, 8), (2, 2)]
    logits, early = model.eval()(x)
    known: Any = model
    torch.testing.assert_close(known.bn(known.conv(x)).relu(), early)
    assert tuple(logits.shape) == (2, 2)
    assert_styles_agree(network)
    assert_counts_are_torchs(network)


def test_a_condition_that_is_false_leaves_an_output_out() -> None:
    network = build(EXITS, aux="no")
    assert list(network.output_shapes) == ["logits", "early"]
    assert not hasattr(network.module(), "exit")
    assert len(network.module().train()(torch.randn(2, 3, 8, 8))) == 2


def test_one_named_output_is_a_tensor() -> None:
    network = build(
        SMALL
        + "stem { conv(4, 3), save features, relu, save more }\n"
        + HEAD.replace(" }", ", save s }")
        + "output s"
    )
    assert isinstance(network.module()(torch.randn(2, 3, 8, 8)), Tensor)
    map_of_scores = SMALL + "stem { conv(2, 3), save scores }\noutput scores"
    assert codes(map_of_scores) == [] and "sequential" in build(map_of_scores).styles


def test_several_last_layers_share_the_number_of_classes() -> None:
    model = build(EXITS).imported("module").Exits(num_classes=7)
    assert [output.shape[1] for output in model(torch.randn(2, 3, 8, 8))] == [7, 4, 7]


@pytest.mark.parametrize(
    "text",
    [EXITS, SMALL + "stem { conv(4, 3), save a, relu }\nlayers { add { | identity | from a } }\n" + HEAD],
)
def test_a_network_that_is_no_sequence_has_two_styles(text: str) -> None:
    network = build(text)
    assert network.styles == ("module", "functional")
    with pytest.raises(NetworkError, match="no `nn.Sequential`"):
        network.sequential()


def test_a_tensor_of_one_section_keeps_a_sequence() -> None:
    network = build(SMALL + "stem { conv(4, 3), save a, relu, add { | identity | from a } }\n" + HEAD)
    assert "sequential" in network.styles
    assert_styles_agree(network)


def test_sizes_across_sections_and_loops() -> None:
    network = build(
        SMALL + "stem { conv(4, 3), repeat 2 as i { concat { | identity | conv(2 + i, 3) } }, save a }\n"
        "stage residual(6, stride=2)\n"
        "layers { from a, conv(in, 1), skip if same { conv(9, 3) }\n"
        "concat { | identity | from a }, conv(5, 1) }\n" + HEAD
    )
    assert_styles_agree(network)
