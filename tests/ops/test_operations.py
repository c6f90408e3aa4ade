"""Every operation against torch: shape, parameters, multiply-accumulates, and module against function."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.ir.lowered import Layer, LoweredSection
from netdsl.ir.typed import TypedOperation, TypedSection
from netdsl.language.argument_types import schema
from netdsl.language.expressions import Const, Expr, Ref, known
from netdsl.ops import OPERATIONS
from netdsl.ops.operation import Symbolic
from tests.support.building import build, codes
from tests.support.equality import assert_styles_agree

# Arguments and the inputs that they are tried on.
MAPS = ["4x7x9", "6x8x8", "2x12x5"]
ALL = [*MAPS, "5", "1"]
EXAMPLES: dict[str, dict[str, list[str]]] = {
    "conv": {
        "8, 3": MAPS, "8, 1, stride=2": MAPS, "8, 5, 3": MAPS, "6, 1x5": MAPS, "6, 3x1, stride=2": MAPS,
        "8, 3, padding=0": MAPS, "8, 2, padding=1": MAPS, "8, 3, padding=2x0": MAPS,
        "8, 4, 2, padding=1": MAPS,
        "6, 3, groups=2": MAPS, "8, 3, dilation=2": MAPS, "8, 3x5, dilation=2, stride=2": MAPS,
        "8, 3, bias=no": MAPS, "2, 3, groups=2, bias=no, stride=2": MAPS, "8, 3, freeze=weight": MAPS,
    },
    "depthwise": {
        "3": MAPS, "5, 2": MAPS, "1x7, stride=2": MAPS, "3, padding=0": MAPS, "2, padding=1x0": MAPS,
        "3x5, dilation=2": MAPS, "3, 1, same, 2, no": MAPS, "3, freeze=yes": MAPS,
    },
    "conv_transpose": {
        "8, 3": MAPS, "8, 2, 2": MAPS, "8, 4, stride=2, padding=1": MAPS,
        "6, 3, stride=2, padding=1, output_padding=1": MAPS, "6, 1x3, 2, 0x1, 1": MAPS,
        "6, 3, stride=3, output_padding=2x1, groups=2": MAPS, "8, 3, dilation=2, output_padding=1": MAPS,
        "6, 2, groups=2, bias=no": MAPS, "4, 3, freeze=bias": MAPS,
    },
    "linear": {"5": [*ALL, "7"], "5, bias=no": [*MAPS, "7"], "1": ["12"], "5, freeze=bias": [*MAPS, "7"]},
    "attention": {
        "2": MAPS, "1": MAPS, "2, cosine=yes": MAPS, "2, scale=0.3": MAPS, "2, window=4": MAPS,
        "2, window=4, shift=2": MAPS, "2, window=3, shift=1, bias=relative": MAPS,
        "2, window=4, cosine=yes": MAPS, "1, window=4, cosine=yes": MAPS,
        "1, window=9, shift=1": ["2x9x9"], "1, window=9": ["2x18x9"],
        "2, window=4, bias=relative, scale=0.3": MAPS, "2, window=2, grid=yes": MAPS,
        "1, window=4, grid=yes, bias=relative": MAPS, "2, window=5, shift=2, bias=relative, cosine=yes": MAPS,
        "2, window=4, shift=2, bias=continuous, cosine=yes": MAPS, "2, window=2, bias=continuous": MAPS,
        "2, window=20, shift=3, bias=relative": MAPS, "2, window=4, grid=yes, cosine=yes": MAPS,
        "2, freeze=yes": MAPS, "2, window=2, bias=continuous, freeze=yes": MAPS,
    },
    "attention_pool": {"": MAPS, "freeze=yes": MAPS},
    "mix": {"3": MAPS, "hidden=8": MAPS, "2, freeze=yes": MAPS},
    "class_token": {"": MAPS, "freeze=weight": MAPS},
    "positions": {"": MAPS, "freeze=yes": MAPS},
    "token": {"0": MAPS, "i=7": MAPS},
    "merge": {"2": MAPS, "3": MAPS, "1": MAPS},
    "bn": {"": ALL, "eps=1e-3, momentum=0.2": MAPS, "affine=no": ALL, "freeze=bias": ALL},
    "groupnorm": {"1": ALL, "2": [*MAPS, "6"], "2, eps=1e-3": MAPS, "2, freeze=yes": MAPS},
    "layernorm": {"": ALL, "eps=1e-6": ALL, "freeze=weight": ALL},
    "instancenorm": {"": MAPS, "affine=yes": MAPS, "eps=1e-3, momentum=0.2, affine=yes, freeze=bias": MAPS},
    "lrn": {"5": MAPS, "2": MAPS, "3, alpha=1e-2, beta=0.5, k=2": MAPS},
    "relu": {"": ALL},
    "relu6": {"": ALL},
    "leaky_relu": {"": ALL, "0.2": ALL, "slope=0": MAPS},
    "elu": {"": ALL},
    "gelu": {"": ALL},
    "silu": {"": ALL},
    "hardswish": {"": ALL},
    "hardsigmoid": {"": ALL},
    "sigmoid": {"": ALL},
    "tanh": {"": ALL},
    "prelu": {"": ALL, "freeze=weight": ALL},
    "maxpool": {
        "2": MAPS, "3, 2": MAPS, "3, 2, padding=1": MAPS, "3, 1, padding=1": MAPS, "2, ceil=yes": MAPS,
        "3, 2, ceil=yes": MAPS, "3, 2, padding=1, ceil=yes": MAPS, "2, 3, ceil=yes": MAPS,
        "2, 4, ceil=yes": MAPS,
        "1": MAPS, "1, stride=2": MAPS, "1x2": MAPS, "3x1, 2, padding=1x0": MAPS, "2, stride=1x2": MAPS,
        "2x3, 3x2, padding=1x0, ceil=yes": MAPS,
    },
    "avgpool": {
        "2": MAPS, "3, 2, padding=1": MAPS, "3, 2, padding=1, count_padding=no": MAPS, "2, ceil=yes": MAPS,
        "3, 2, padding=1, ceil=yes, count_padding=no": MAPS, "3x2, padding=0x1": MAPS,
    },
    "global_avgpool": {"": [*MAPS, "3x1x1"]},
    "global_maxpool": {"": [*MAPS, "3x1x1"]},
    "adaptive_avgpool": {"1": MAPS, "3": MAPS, "7x7": MAPS, "size=2x5": MAPS},
    "flatten": {"": ALL},
    "dropout": {"0": ALL, "0.5": ALL, "p=0.25": MAPS},
    "drop_path": {"0": ALL, "0.5": ALL, "p=0.25": MAPS},
    "layer_scale": {"1e-6": ALL, "initial=1": ALL, "-1/3": MAPS, "1, freeze=yes": MAPS},
    "slice": {"0": ALL, "1": [*MAPS, "5"], "0, 1": ALL, "1, end=2": [*MAPS, "5"], "start=0, end=all": MAPS},
    "channel_shuffle": {"1": MAPS, "2": MAPS},
    "upsample": {"2": MAPS, "3, bilinear": MAPS, "2, mode=bicubic": MAPS, "1": MAPS},
    "pad": {"0": MAPS, "1": MAPS, "n=3": MAPS},
    "scale": {"0.5": ALL, "-2": ALL, "s=1/3": MAPS},
    "identity": {"": ALL},
}  # fmt: skip


def examples() -> Iterator[tuple[str, str]]:
    for name, sets in EXAMPLES.items():
        for arguments, inputs in sets.items():
            for size in inputs:
                yield f"{name}({arguments})", size


# Shapes are tried on all inputs. The code is the same for each, and is run on one map and the vectors.
RUN = [(step, size) for step, size in examples() if size not in (MAPS[0], MAPS[2])]


def test_every_operation_has_examples() -> None:
    assert EXAMPLES.keys() == OPERATIONS.keys()


def module_of(step: str, size: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The operation as a torch module on the meta device, and the shape of a batch for it."""
    network = build(f"network n\ninput {size}\nlayers {{ {step} }}\n")
    with torch.device("meta"):
        return network.sequential(), (2 if size == "1" else 1, *network.input_shape)


@pytest.mark.parametrize("step, size", list(examples()))
def test_shape_parameters_and_macs_are_those_of_torch(step: str, size: str) -> None:
    network = build(f"network n\ninput {size}\nlayers {{ {step} }}\n")
    model, shape = module_of(step, size)
    x = torch.empty(shape, device="meta")
    with FlopCounterMode(display=False) as flops:
        y = model.eval()(x)
    assert tuple(y.shape) == (shape[0], *network.output_shape)
    assert network.parameters_count == sum(p.numel() for p in model.parameters())
    assert 2 * shape[0] * network.macs == flops.get_total_flops()  # two flops a multiply-accumulate


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_what_needs_a_map_is_wrong_after_an_unknown_vector(name: str) -> None:
    arguments = next(iter(EXAMPLES[name]))
    on_maps_alone = all("x" in size for inputs in EXAMPLES[name].values() for size in inputs)
    text = f"network n\ninput 3x8x8\nlayers {{ unheard, flatten, {name}({arguments}) }}\n"
    assert codes(text) == (["NET201", "NET402"] if on_maps_alone else ["NET201"])


@pytest.mark.parametrize("step, size", RUN)
def test_function_and_module_agree(step: str, size: str) -> None:
    first = f"conv({size.split('x')[0]}, 1)" if "x" in size else f"linear({size})"
    assert_styles_agree(build(f"network n\ninput {size}\nlayers {{ {first}, {step} }}\n"))


@pytest.mark.parametrize("name", OPERATIONS)
def test_function_and_module_agree_in_a_block(name: str) -> None:
    """The number of channels is a name, the second time another than the block's."""
    arguments, sizes = next(iter(EXAMPLES[name].items()))
    first = f"conv({sizes[0].split('x')[0]}, 1)" if "x" in sizes[0] else f"linear({sizes[0]})"
    again = "" if name == "token" else f", {name}({arguments})"  # of a vector
    block = f"block b() {{ {name}({arguments}){again} }}"
    assert_styles_agree(build(f"network n\ninput {sizes[0]}\n{block}\nlayers {{ {first}, b }}\n"))


@pytest.mark.parametrize("step, size", RUN)
def test_weights_are_those_of_the_module(step: str, size: str) -> None:
    """Names, shapes, order, kinds, and the values at the start where these are constants."""
    text = f"network n\ninput {size}\nlayers {{ {step} }}\ninit pytorch\n"
    part = compile_network(Source("test.net", text)).lowered.parts[0]
    assert isinstance(part, LoweredSection)
    layer = part.body[0]
    assert isinstance(layer, Layer)
    weights = [weight for weight in layer.weights if known(weight.present, {})]
    (module,) = build(text).sequential().children()
    parameters = dict(module.named_parameters())
    own = {**parameters, **{name: own for name, own in module.named_buffers() if name in module.state_dict()}}
    own.pop("num_batches_tracked", None)
    assert [weight.name for weight in weights] == list(own)
    for weight in weights:
        tensor = own[weight.name]
        assert (weight.kind == "parameters") == (weight.name in parameters)
        assert tuple(known(length, {}) for length in weight.shape) == tensor.shape
        if weight.role not in ("kernel", "bias") and not weight.drawn:
            fill = known(weight.fill, {})
            assert isinstance(fill, (int, Fraction))
            assert torch.equal(tensor, torch.full_like(tensor, float(fill)))


@pytest.mark.parametrize("step", [step for step, size in examples() if size == MAPS[1]])
def test_reduction_and_grid(step: str) -> None:
    """An operation keeps the grid if, for every size, the output is size / reduction, up or down."""
    kept, said = True, set()
    for size in range(9, 25):
        compiled = compile_network(
            Source("test.net", f"network n\ninput 6x{size}x{size}\nlayers {{ {step} }}\n")
        )
        assert compiled.network is not None
        part = compiled.network.parts[0]
        assert isinstance(part, TypedSection)
        typed = part.body.steps[0]
        assert isinstance(typed, TypedOperation)
        said.add(typed.operation.keeps_grid())
        arguments: dict[str, Expr] = {name: Const(known(expr, {})) for name, expr in typed.step.arguments}
        reduction = known(typed.operation.reduction(arguments), {})
        assert isinstance(reduction, (int, Fraction))
        kept &= len(typed.output) == 3 and all(abs(n - size / reduction) < 1 for n in typed.output[1:])
    assert said == {kept}


# Where the language has another default than torch.
OTHER_DEFAULTS = {
    ("Conv2d", "padding"): "same",
    ("MaxPool2d", "stride"): "kernel",
    ("AvgPool2d", "stride"): "kernel",
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("is_map", [True, False])
def test_defaults_are_those_of_torch(name: str, is_map: bool) -> None:
    """Of the module's and the function's parameters, as far as these show their signatures."""
    operation = OPERATIONS[name]
    defaults = {f.name: f.default for f in schema(operation) if f.default is not MISSING}
    arguments: dict[str, Expr] = {f.name: Ref(f.name) for f in schema(operation)}
    x = Symbolic(Ref("in"), is_map)
    for call in (operation.module(arguments, x), operation.function(arguments, x)):
        package, _, attribute = call.target.partition(".") if call else ("", "", "")
        target: Any = getattr({"nn": nn, "F": F}.get(package), attribute, None)
        if call is None or target is None or inspect.isbuiltin(target):
            continue
        parameters = inspect.signature(target).parameters
        for torch_name, expr in call.named:
            if isinstance(expr, Ref) and expr.name in defaults and torch_name in parameters:
                expected = OTHER_DEFAULTS.get((attribute, torch_name), parameters[torch_name].default)
                assert defaults[expr.name] == expected


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
