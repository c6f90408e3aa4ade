"""Every operation against torch: shape, parameters, multiply-accumulates, and module against function."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from netdsl.ops import OPERATIONS
from tests.building import build, codes
from tests.equality import assert_styles_agree

# Arguments and the inputs that they are tried on.
MAPS = ["4x7x9", "6x8x8", "2x12x5"]
EXAMPLES: dict[str, dict[str, list[str]]] = {
    "conv": {
        "8, 3": MAPS, "8, 1, stride=2": MAPS, "8, 5, 3": MAPS, "6, 1x5": MAPS, "6, 3x1, stride=2": MAPS,
        "8, 3, padding=0": MAPS, "8, 2, padding=1": MAPS, "8, 3, padding=2x0": MAPS,
        "8, 4, 2, padding=1": MAPS,
        "6, 3, groups=2": MAPS, "8, 3, dilation=2": MAPS, "8, 3x5, dilation=2, stride=2": MAPS,
        "8, 3, bias=no": MAPS, "2, 3, groups=2, bias=no, stride=2": MAPS,
    },
    "linear": {"5": ["7", "1"], "5, bias=no": ["7"], "1": ["12"]},
    "bn": {"": [*MAPS, "5"], "eps=1e-3, momentum=0.2": MAPS, "affine=no": [*MAPS, "5"]},
    "relu": {"": [*MAPS, "5"]},
    "maxpool": {
        "2": MAPS, "3, 2": MAPS, "3, 2, padding=1": MAPS, "3, 1, padding=1": MAPS, "2, ceil=yes": MAPS,
        "3, 2, ceil=yes": MAPS, "3, 2, padding=1, ceil=yes": MAPS, "2, 3, ceil=yes": MAPS,
        "2, 4, ceil=yes": MAPS,
        "1": MAPS, "1, stride=2": MAPS,
    },
    "avgpool": {
        "2": MAPS, "3, 2, padding=1": MAPS, "3, 2, padding=1, count_padding=no": MAPS, "2, ceil=yes": MAPS,
        "3, 2, padding=1, ceil=yes, count_padding=no": MAPS,
    },
    "global_avgpool": {"": [*MAPS, "3x1x1"]},
    "flatten": {"": [*MAPS, "5"]},
    "dropout": {"0": [*MAPS, "5"], "0.5": MAPS, "p=0.25": MAPS},
    "identity": {"": [*MAPS, "5"]},
}  # fmt: skip


def examples() -> Iterator[tuple[str, str]]:
    for name, sets in EXAMPLES.items():
        for arguments, inputs in sets.items():
            for size in inputs:
                yield f"{name}({arguments})", size


def test_every_operation_has_examples() -> None:
    assert EXAMPLES.keys() == OPERATIONS.keys()


def module_of(step: str, size: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The operation as a torch module on the meta device, and the shape of a batch for it."""
    network = build(f"network n\ninput {size}\nlayers {{ {step} }}\n")
    with torch.device("meta"):
        return network.sequential(), (2, *network.input_shape)


@pytest.mark.parametrize("step, size", list(examples()))
def test_shape_parameters_and_macs_are_those_of_torch(step: str, size: str) -> None:
    network = build(f"network n\ninput {size}\nlayers {{ {step} }}\n")
    model, shape = module_of(step, size)
    x = torch.empty(shape, device="meta")
    with FlopCounterMode(display=False) as flops:
        y = model(x)
    assert tuple(y.shape) == (2, *network.output_shape)
    assert network.parameters_count == sum(p.numel() for p in model.parameters())
    assert 2 * 2 * network.macs == flops.get_total_flops()  # two examples, two flops a multiply-accumulate


@pytest.mark.parametrize("step, size", list(examples()))
def test_function_and_module_agree(step: str, size: str) -> None:
    first = f"conv({size.split('x')[0]}, 1)" if "x" in size else f"linear({size})"
    assert_styles_agree(build(f"network n\ninput {size}\nlayers {{ {first}, {step} }}\n"))


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("ceil", ["yes", "no"])
def test_windows_of_pools(kernel: int, stride: int, padding: int, ceil: str) -> None:
    """Each size from 1 to 9: an output where torch gives one of that size, an error where torch raises."""
    pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil == "yes")
    for size in range(1, 10):
        text = f"network n\ninput 1x{size}x9\nstem {{ maxpool({kernel}, {stride}, {padding}, {ceil}) }}\n"
        try:
            expected = tuple(pool(torch.zeros(1, 1, size, 9)).shape[1:])
        except RuntimeError:
            assert codes(text) == ["NET402"]
        else:
            assert build(text).output_shape == expected


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_is_size_over_stride_rounded_up(kernel: int, stride: int, dilation: int) -> None:
    for size in range(1, 12):
        step = f"conv(1, {kernel}, {stride}, dilation={dilation})"
        network = build(f"network n\ninput 1x{size}x{size}\nstem {{ {step} }}\n")
        assert network.output_shape == (1, -(-size // stride), -(-size // stride))
