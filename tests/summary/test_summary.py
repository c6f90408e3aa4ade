"""`netdsl summary`: every figure against torch's own counters."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from netdsl.api.network import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.ir.typed import TypedStage
from netdsl.summary.measure import EVERYTHING, measure
from netdsl.summary.network_summary import Summary
from netdsl.summary.summary_json import record
from netdsl.summary.tree import Figures, Part
from netdsl.syntax.net_files import read_text, shipped
from tests.ops.test_operations import EXAMPLES
from tests.support import strategies
from tests.support.building import SMALL, VARIED, build
from tests.support.commands import netdsl
from tests.support.equality import on_meta
from tests.support.programs import LONGEST, started
from tests.test_properties import MODEST

NETWORKS = VARIED


def summary_of(text: str, depth: int = EVERYTHING, **settings: str) -> Summary:
    network = compile_network(Source("test.net", text), settings).network
    assert network is not None
    return measure(network, depth)


def shipped_network(name: str) -> tuple[Network, Summary]:
    path = shipped()[name]
    compiled = compile_network(Source(str(path), read_text(str(path))))
    assert compiled.network is not None
    return Network(compiled), measure(compiled.network, EVERYTHING)


ATTENTION = F.scaled_dot_product_attention


def fused_attention(
    q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, scale: float | None = None
) -> Tensor:
    """Attention with the kernel that devices choose; the meta device would compute step by step."""
    if attn_mask is not None or q.dim() > 4:
        return ATTENTION(q, k, v, attn_mask, scale=scale)
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    result: Tensor = fused(q, k, v, scale=scale)[0]
    return result


def kept_bytes(module: nn.Module, x: Tensor) -> int:
    """The bytes of what a training forward pass keeps for the backward pass, weights and buffers left out."""
    own = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with (
        patch.object(F, "scaled_dot_product_attention", fused_attention),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        module.train()(x)
    return sum(kept.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_figures_of_shipped_networks_are_torchs(name: str) -> None:
    """Parameters, MACs and shapes in total and stage by stage; what is kept for the backward pass, to the
    byte. On the meta device no number is computed.
    """
    network, summary = shipped_network(name)
    module, x = on_meta(network.module), torch.empty(2, *network.input_shape, device="meta")
    shapes: dict[str, tuple[int, ...]] = {}
    for child, inner in module.named_children():
        inner.register_forward_hook(
            lambda module, given, y, child=child: shapes.update({child: tuple(y.shape[1:])})
        )
    with FlopCounterMode(display=False) as counter:
        module.eval()(x[:1])
    assert summary.figures.parameters == sum(p.numel() for p in module.parameters())
    assert summary.figures.macs * 2 == counter.get_total_flops()
    assert (summary.depth, summary.receptive_field) == (network.depth, network.receptive_field)
    if not summary.outputs[0].name:  # the tensor at the end
        assert summary.parts[-1].receptive_field == summary.receptive_field
    flops = counter.get_flop_counts()
    stages = [part for part in summary.parts if part.kind == "stage"]
    labels = [part.stage.label for part in network.typed.parts if isinstance(part, TypedStage)]
    for stage, label in zip(stages, labels, strict=True):
        attribute = label or stage.name.replace(" ", "")
        inner = module.get_submodule(attribute)
        assert stage.figures.parameters == sum(p.numel() for p in inner.parameters())
        assert stage.figures.macs * 2 == sum(flops[f"{type(module).__name__}.{attribute}"].values())
        assert stage.output == shapes[attribute]
    assert kept_bytes(module, x[:1].clone()) == summary.figures.activations


@pytest.mark.parametrize("name", ["resnet32", "squeezenet"])
def test_memory_of_other_styles_and_of_the_cpu(name: str) -> None:
    network, summary = shipped_network(name)
    x = torch.rand(1, *network.input_shape)
    assert kept_bytes(network.sequential(), x) == summary.figures.activations


# Of every operation the first few, and attention in all its forms; frozen weights may let torch keep less,
# which isn't subtracted.
CALLS = [
    (name, given, shapes[0])
    for name, examples in EXAMPLES.items()
    for given, shapes in [example for example in examples.items() if "freeze" not in example[0]][
        : 18 if name == "attention" else 4
    ]
]


@pytest.mark.parametrize("operation, arguments, shape", CALLS)
def test_memory_of_every_operation_is_torchs(operation: str, arguments: str, shape: str) -> None:
    """Between two others, that keep nothing themselves."""
    text = f"network n\ninput {shape}\nlayers {{ scale(2), {operation}({arguments}), scale(2) }}\n"
    network, summary = build(text.replace("()", "")), summary_of(text.replace("()", ""))
    with torch.device("meta"):
        x = torch.empty(1, *network.input_shape, requires_grad=True)
        assert kept_bytes(network.module(), x) == summary.figures.activations


@settings(MODEST, max_examples=10)
@given(strategies.networks())
def test_figures_of_random_networks(text: str) -> None:
    network, summary = build(text), summary_of(text)
    assert (summary.figures.parameters, summary.figures.macs) == (network.parameters_count, network.macs)
    assert summary.parts[-1].receptive_field == network.receptive_field
    assert_sums(summary.parts)
    for depth in (1, 2, 3):
        assert cut(record(summary), depth) == record(summary_of(text, depth))


def cut(part: dict[str, Any], levels: int) -> dict[str, Any]:
    """The part as it is where so many levels inside it are wanted."""
    return {**part, "parts": [cut(inner, levels - 1) for inner in part["parts"]] if levels else []}


def assert_sums(parts: tuple[Part, ...]) -> None:
    """The figures of a part are the sums of those of its parts; a product also keeps its factors."""
    for part in parts:
        if part.parts:
            own = sum((inner.figures for inner in part.parts), Figures())
            if part.kind == "mul":
                own = replace(own, activations=part.figures.activations)
            assert own == part.figures
        assert_sums(part.parts)


BODIES = [
    "mul { | identity | global_avgpool, conv(6, 1), sigmoid }",
    "mul { | identity | global_avgpool, conv(6, 1) | global_maxpool }",
    "mul { | relu | relu | tanh }",
    "add { | identity | conv(6, 3) }, concat { | identity | relu }, bn",
    "save a, relu, save b, from a, conv(6, 1), concat { | identity | from b, conv(2, 1) }, elu",
    "repeat 4 { conv(6, 3), relu }",
    "repeat 3 { skip { bn, relu, conv(6, 3) } }",
    "repeat 3 as i { concat { | identity | bn, relu, conv(2 + i, 3) } }",
    "relu, skip { relu, conv(6, 3) }, skip(drop_path=0.3) { relu, conv(6, 3) }",
    "skip if same { conv(8, 3, 2), relu }, skip if same { conv(8, 3), relu }",
    "slice(0, 4), conv(6, 1), slice(2), relu, flatten, dropout(0), linear(3)",
    "same, same, relu, same, conv(6, 1), same, relu",
]
SAME = "block same { skip { identity } }\n"


@pytest.mark.parametrize("body", BODIES)
def test_a_tensor_is_kept_once_whoever_keeps_it(body: str) -> None:
    text = f"network n\ninput 6x8x8\n{SAME}layers {{ conv(6, 1), {body} }}\n"
    summary = summary_of(text)
    assert kept_bytes(build(text).module(), torch.rand(1, 6, 8, 8)) == summary.figures.activations
    assert_sums(summary.parts)


def test_equal_copies_are_one_part_with_the_sum_of_their_figures() -> None:
    summary = summary_of(SMALL + "stage residual(3, repeat=4)\nhead { flatten, linear(classes) }\n")
    (blocks,) = summary.parts[0].parts
    one = 2 * (3 * 3 * 9 + 3 + 6)
    assert (blocks.title, blocks.copies, blocks.figures.parameters) == ("residual(3)", 4, 4 * one)
    skip = blocks.parts[0]
    assert [(step.title, step.copies) for step in skip.parts] == [
        ("conv(3, 3)", 4), ("bn", 4), ("relu", 4), ("conv(3, 3)", 4), ("bn", 4)
    ]  # fmt: skip
    # Those of the last copy.
    assert [step.receptive_field for step in skip.parts] == [15, 15, 15, 17, 17]


def test_parts_say_where_they_are_written() -> None:
    text = SMALL + "stages plain {\n  out  repeat\n  4  1\n  6  2\n}\nhead { flatten, linear(classes) }\n"
    places = [part.span.source.position(part.span.start) for part in summary_of(text).parts]
    assert places == [(7, 3), (8, 3), (10, 1)]


def test_frozen_parameters_are_counted_apart() -> None:
    body = "conv(4, 1, freeze=yes), conv(4, 1, freeze=bias), bn(freeze=weight), flatten, linear(2)"
    figures = summary_of(f"network n\ninput 3x1x1\nlayers {{ {body} }}\n").figures
    assert figures.frozen == (3 * 4 + 4) + 4 + 4


def test_blocks_in_blocks_are_followed_once() -> None:
    """Half a million operations in twenty blocks, each of which calls the one before twice."""
    blocks = "".join(f"block b{n} {{ b{n - 1}, b{n - 1} }}\n" for n in range(1, 19))
    text = f"network n\ninput 3x4x4\nblock b0 {{ conv(3, 3), relu }}\n{blocks}layers {{ b18 }}\n"
    summary = summary_of(text, depth=3)
    assert summary.figures.parameters == 2**18 * (3 * 3 * 9 + 3)
    assert summary.receptive_field == summary.parts[0].receptive_field == 1 + 2 * 2**18


def test_a_depth_of_too_many_rows_is_refused_with_one_that_isnt(tmp_path: Path) -> None:
    blocks = "".join(f"block b{n} {{ b{n - 1}, b{n - 1} }}\n" for n in range(1, 19))
    path = tmp_path / "n.net"
    path.write_text(f"network n\ninput 3x4x4\nblock b0 {{ conv(3, 3), relu }}\n{blocks}layers {{ b18 }}\n")
    result = netdsl("summary", path, "--depth", 30)
    assert result.exit_code == 1 and not result.stdout
    assert "has 1,048,576 rows" in result.stderr and "`--depth 15`" in result.stderr
    found = json.loads(netdsl("summary", path, "--depth", 15, "--format", "json").output)
    assert found["parameters"] == 2**18 * (3 * 3 * 9 + 3)


# the command


def test_the_table() -> None:
    lines = netdsl("summary", "resnet32").output.splitlines()
    assert lines[0] == "resnet32: 3x32x32 -> 10, depth 32"
    rows = [line.split("  ") for line in lines[2:]]
    assert len(set(map(len, lines[2:]))) == 1  # aligned
    assert "stage1: residual(8) × 5" in [row[0] for row in rows]
    assert lines[-1].split() == ["total", "10", "118,074", "17,391,936", "1,184.3", "137"]


def test_depth_of_the_table() -> None:
    shallow, deep = (netdsl("summary", "resnet32", "--depth", depth).output for depth in (1, 4))
    assert len(shallow.splitlines()) == 3 + 5 + 1
    assert "    conv(16, 3) × 4 " in deep


def test_rows_that_differ_in_their_input_alone_are_one() -> None:
    output = netdsl("summary", "densenet_bc").output
    assert "denseblock1: dense_layer(12) × 16" in output
    assert "layers1: transition" in output


def test_settings_and_input() -> None:
    output = netdsl("summary", "preresnet", "--set", "depth=20", "--input", "3x64x64", "--depth", 1).stdout
    assert output.startswith("preresnet(depth=20, kind=bottleneck, width=16): 3x64x64 -> 10, depth 20\n")


def test_frozen_parameters_are_told(tmp_path: Path) -> None:
    path = tmp_path / "frozen.net"
    path.write_text(SMALL + "stem { conv(4, 1, freeze=yes) }\nhead { flatten, linear(classes) }\n")
    assert "\n16 of the parameters are frozen\n" in netdsl("summary", path).output


def test_json_has_every_part_with_its_place() -> None:
    found = json.loads(netdsl("summary", "resnet32", "--format", "json", "--depth", 3).output)
    assert (found["network"], found["parameters"], found["input"]) == ("resnet32", 118074, [3, 32, 32])
    stage = found["parts"][2]
    assert (stage["kind"], stage["title"], stage["line"]) == ("stage", "stage2", 13)
    first, others = stage["parts"]
    assert (first["title"], first["copies"]) == ("residual(16, stride=2)", 1)
    assert (others["title"], others["copies"], others["output"]) == ("residual(16)", 4, [16, 16, 16])
    keys = {
        "kind", "title", "copies", "file", "line", "column", "input", "output", "parameters",
        "frozen_parameters", "macs", "activation_bytes", "receptive_field", "parts",
    }  # fmt: skip
    assert others.keys() == keys
    assert others["parts"][0]["parts"] == []


@pytest.mark.parametrize("text", ["network n\n", "block b { relu }\n"])
def test_what_has_no_parts_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(text)
    result = netdsl("summary", tmp_path / "n.net")
    assert result.exit_code == 1
    assert "error" in result.stderr and not result.stdout


def test_the_page_shows_what_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tools.md").read_text()
    assert "\n".join(map(str.rstrip, netdsl("summary", "resnet32").output.splitlines())) in page
    deep = [line.rstrip() for line in netdsl("summary", "resnet32", "--depth", 4).output.splitlines()]
    start = next(index for index, line in enumerate(deep) if line.startswith("stage2"))
    assert "\n".join(deep[start : start + 10]) in page


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_no_number_is_cut_in_a_narrow_terminal() -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "netdsl", "summary", "resnet50"]
    said = b""
    with started(command, {"COLUMNS": "40"}, stdout=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux's way to say that the other side was closed
            while part := os.read(ours, 10_000):
                said += part
        os.close(ours)
        assert process.wait(LONGEST) == 0
    assert said.decode().split()[-5:] == ["1000", "25,557,032", "4,089,184,256", "84,103.5", "427"]
