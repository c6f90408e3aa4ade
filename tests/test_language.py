"""The meaning of the language, shown by small networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdsl.api.network import Network
from netdsl.compiler import STYLES
from netdsl.diagnostics.network_error import NetworkError
from tests.support.building import HEAD, SMALL, build, codes, small
from tests.support.equality import assert_styles_agree, copy_by_position, randomised


def assert_same(network: Network, reference: nn.Module, training: bool = True) -> None:
    """The network computes what the reference does, given the same weights in the same order."""
    model = randomised(network.module(), 0).train(training)
    reference = reference.double().train(training)
    copy_by_position(model, reference)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, *network.input_shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-12, atol=1e-12)
    assert_styles_agree(network)


class Reference(nn.Module):
    """Layers in the order of the parameters, and a function of them and the input."""

    def __init__(
        self, layers: Sequence[nn.Module], compute: Callable[[nn.ModuleList, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self.layers, x)


def conv(inside: int, out: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inside, out, kernel, stride=stride, padding=kernel // 2, bias=bias)


def bn(size: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(size)


# --- order ---------------------------------------------------------------------------------------


def _original(m: nn.ModuleList, x: Tensor) -> Tensor:
    x = m[0](x)
    y = m[4](m[3](F.relu(m[2](m[1](x)))))
    return F.relu(y + x)


def _after_addition(m: nn.ModuleList, x: Tensor) -> Tensor:
    x = m[0](x)
    y = m[3](F.relu(m[2](m[1](x))))
    return F.relu(m[4](y + x))


def _before_addition(m: nn.ModuleList, x: Tensor) -> Tensor:
    x = m[0](x)
    y: Tensor = F.relu(m[4](m[3](F.relu(m[2](m[1](x))))))
    return y + x


def _relu_only(m: nn.ModuleList, x: Tensor) -> Tensor:
    x = m[0](x)
    y: Tensor = m[4](m[3](F.relu(m[2](m[1](F.relu(x))))))
    return y + x


def _full(m: nn.ModuleList, x: Tensor) -> Tensor:
    x = m[0](x)
    y: Tensor = m[4](F.relu(m[3](m[2](F.relu(m[1](x))))))
    return y + x


UNITS_CONV_FIRST = [conv(3, 4), conv(4, 4), bn(4), conv(4, 4), bn(4)]
UNITS_BN_FIRST = [conv(3, 4), bn(4), conv(4, 4), bn(4), conv(4, 4)]


@pytest.mark.parametrize(
    "order, layers, compute",
    [
        ("order conv, bn, +, relu", UNITS_CONV_FIRST, _original),
        ("order conv, +, bn, relu", UNITS_CONV_FIRST, _after_addition),
        ("order conv, bn, relu", UNITS_CONV_FIRST, _before_addition),
        ("order relu, conv, bn", UNITS_CONV_FIRST, _relu_only),
        ("order bn, relu, conv", UNITS_BN_FIRST, _full),
        ("", UNITS_CONV_FIRST, _original),
    ],
    ids=["original", "after", "before", "relu-only", "full", "default"],
)
def test_placements_of_the_addition(
    order: str, layers: list[nn.Module], compute: Callable[[nn.ModuleList, Tensor], Tensor]
) -> None:
    """He et al. 2016, figure 4."""
    text = f"network n\ninput 3x8x8\n{order}\nstem {{ conv(4, 3) }}\nstage residual(4)\n"
    assert_same(build(text), Reference(layers, compute))


def test_orders_take_any_steps() -> None:
    network = build(
        "network n\ninput 3x8x8\norder dropout(0.5), conv, maxpool(2), relu\nstem { unit(4, 3) }\n"
    )
    assert network.output_shape == (4, 4, 4)
    reference = Reference([conv(3, 4)], lambda m, x: F.relu(F.max_pool2d(m[0](x), 2)))
    model = network.module().eval().double()
    copy_by_position(model, reference.double())
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-12, atol=1e-12)


def test_unit_passes_its_arguments_to_the_convolution() -> None:
    network = build("network n\ninput 4x8x8\norder conv\nstem { unit(8, 5, stride=2, groups=2, bias=no) }\n")
    layer = next(m for m in network.module().modules() if isinstance(m, nn.Conv2d))
    assert (layer.out_channels, layer.kernel_size, layer.stride, layer.groups) == (8, (5, 5), (2, 2), 2)
    assert layer.bias is None


# --- skip connections ----------------------------------------------------------------------------


MAPS = "network n\ninput 3x8x8\n"


def test_skip_adds_the_input() -> None:
    network = build(MAPS + "stem { conv(4, 3), skip { conv(4, 3), relu } }")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        return F.relu(m[1](x)) + x

    assert_same(network, Reference([conv(3, 4), conv(4, 4)], compute))


@pytest.mark.parametrize("out, stride, layers", [(4, 1, 2), (8, 1, 3), (4, 2, 3), (8, 2, 3)])
def test_shortcut_only_where_the_body_changes_the_shape(out: int, stride: int, layers: int) -> None:
    body = f"skip {{ conv({out}, 3, {stride}) }} shortcut {{ conv({out}, 1, {stride}) }}"
    network = build(MAPS + f"stem {{ conv(4, 3), {body} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        added: Tensor = m[1](x) + (m[2](x) if layers == 3 else x)
        return added

    reference = [conv(3, 4), conv(4, out, 3, stride), conv(4, out, 1, stride)][:layers]
    assert_same(network, Reference(reference, compute))


@pytest.mark.parametrize("out, stride, adds", [(4, 1, True), (8, 1, False), (4, 2, False)])
def test_skip_if_same(out: int, stride: int, adds: bool) -> None:
    network = build(MAPS + f"stem {{ conv(4, 3), skip if same {{ conv({out}, 3, {stride}) }} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        y: Tensor = m[1](x)
        return y + x if adds else y

    assert_same(network, Reference([conv(3, 4), conv(4, out, 3, stride)], compute))


def test_skip_if_same_in_a_block_adds_in_some_instances() -> None:
    block = "block b(out, stride=1) { skip if same { conv(out, 3, stride) } }\n"
    network = build(MAPS + block + "stem { conv(4, 3) }\nstage b(4)\nstage b(8, repeat=2, stride=2)\n")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        x = m[1](x) + x
        x = m[2](x)
        y: Tensor = m[3](x) + x
        return y

    layers: list[nn.Module] = [conv(3, 4), conv(4, 4), conv(4, 8, 3, 2), conv(8, 8)]
    assert_same(network, Reference(layers, compute))


def test_nested_skips() -> None:
    inner = "skip { conv(8, 3), skip { conv(8, 3), relu }, relu } shortcut { conv(8, 1) }"
    network = build(MAPS + f"stem {{ conv(4, 3), {inner} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        y = m[1](x)
        y = F.relu(m[2](y)) + y
        z: Tensor = F.relu(y) + m[3](x)
        return z

    assert_same(network, Reference([conv(3, 4), conv(4, 8), conv(8, 8), conv(4, 8, 1)], compute))


def test_skip_in_a_shortcut() -> None:
    block = "block inner(out) { skip { relu, conv(out, 3) } }\n"
    body = "skip { conv(8, 3) } shortcut { conv(8, 1), inner(8) }"
    network = build(MAPS + block + f"stem {{ conv(4, 3), {body} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        short = m[2](x)
        y: Tensor = m[1](x) + (m[3](F.relu(short)) + short)
        return y

    assert_same(network, Reference([conv(3, 4), conv(4, 8), conv(4, 8, 1), conv(8, 8)], compute))


def test_skips_side_by_side_and_steps_between() -> None:
    steps = "conv(4, 3), skip { conv(4, 3) }, relu, skip { bn, conv(4, 3) }, maxpool(2), skip { identity }"
    network = build(MAPS + f"layers {{ {steps} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        x = F.relu(m[1](x) + x)
        x = m[3](m[2](x)) + x
        return 2 * F.max_pool2d(x, 2)

    assert_same(network, Reference([conv(3, 4), conv(4, 4), bn(4), conv(4, 4)], compute))


def test_empty_skip_body_doubles() -> None:
    assert_same(
        build(MAPS + "stem { conv(4, 1), skip { } }"), Reference([conv(3, 4, 1)], lambda m, x: 2 * m[0](x))
    )


def test_pooling_in_skip_with_pooled_shortcut() -> None:
    body = "skip { conv(4, 3), maxpool(2) } shortcut { avgpool(2) }"
    network = build(MAPS + f"stem {{ conv(4, 3), {body} }}")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        return F.max_pool2d(m[1](x), 2) + F.avg_pool2d(x, 2)

    assert_same(network, Reference([conv(3, 4), conv(4, 4)], compute))


def test_in_place_of_maps_vectors() -> None:
    network = build(
        "network n\ninput 6\nblock mlp(hidden) { skip { linear(hidden), bn, relu, linear(in) } }\n"
        "stem { linear(8) }\nstage mlp(16, repeat=2)\n"
    )

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        x = m[3](F.relu(m[2](m[1](x)))) + x
        y: Tensor = m[6](F.relu(m[5](m[4](x)))) + x
        return y

    once: list[nn.Module] = [nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 8)]
    again: list[nn.Module] = [nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 8)]
    assert_same(network, Reference([nn.Linear(6, 8), *once, *again], compute))


# --- the standard blocks and stages --------------------------------------------------------------


class PreBlock(nn.Module):
    """Residual or bottleneck block in full pre-activation, as a paper's reader would write it."""

    def __init__(self, inside: int, out: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        narrow = out // 4
        shapes = (
            [(inside, narrow, 1, stride), (narrow, narrow, 3, 1), (narrow, out, 1, 1)]
            if bottleneck
            else [(inside, out, 3, stride), (out, out, 3, 1)]
        )
        self.units = nn.ModuleList(m for shape in shapes for m in (bn(shape[0]), conv(*shape)))
        changes = inside != out or stride != 1
        self.projection = conv(inside, out, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for norm, convolution in zip(self.units[::2], self.units[1::2], strict=True):
            y = convolution(F.relu(norm(y)))
        added: Tensor = y + self.projection(x)
        return added


@pytest.mark.parametrize("kind, factor", [("residual", 1), ("bottleneck", 4)])
def test_stages_of_standard_blocks(kind: str, factor: int) -> None:
    """Stride and new channels in the first block of a stage only."""
    text = (
        f"network n\ninput 3x8x8\nclasses 5\norder bn, relu, conv\nstem {{ conv(4, 3), relu }}\n"
        f"stages {kind} {{\n  out repeat stride\n {4 * factor} 2 1\n {8 * factor} 3 2\n}}\n"
        "head { global_avgpool, flatten, linear(classes) }\n"
    )
    a, b = 4 * factor, 8 * factor
    shapes = [(4, a, 1), (a, a, 1), (a, b, 2), (b, b, 1), (b, b, 1)]
    blocks = [PreBlock(inside, out, stride, kind == "bottleneck") for inside, out, stride in shapes]
    reference = nn.Sequential(
        conv(3, 4), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, 5)
    )
    assert_same(build(text), reference)


def test_plain_block() -> None:
    text = "network n\ninput 3x8x8\norder bn, relu, conv\nstage plain(4, repeat=2, stride=2)\n"
    shapes = [(3, 4, 2), (4, 4, 1), (4, 4, 1), (4, 4, 1)]
    layers = [m for a, b, s in shapes for m in (bn(a), nn.ReLU(), conv(a, b, 3, s))]
    assert_same(build(text), nn.Sequential(*layers))


def test_own_block_takes_the_place_of_a_standard_one() -> None:
    network = build(MAPS + "block residual(out) { conv(out, 1) }\nstage residual(4)\n")
    assert_same(network, conv(3, 4, 1))


def test_transition_between_rows() -> None:
    table = "stages plain {\n  out\n  4\n  layers { maxpool(2) }\n  8\n}\n"
    network = build(MAPS + "order conv\n" + table)
    reference = nn.Sequential(conv(3, 4), conv(4, 4), nn.MaxPool2d(2), conv(4, 8), conv(8, 8))
    assert_same(network, reference)


def test_sections_and_stages_run_in_their_order() -> None:
    text = "layers { conv(4, 3) }\nstage plain(5)\nlayers { maxpool(2) }\nstage plain(6)\nlayers { relu }\n"
    network = build(MAPS + "order conv\n" + text)
    shapes = [(3, 4), (4, 5), (5, 5), (5, 6), (6, 6)]
    convolutions = [conv(a, b) for a, b in shapes]
    reference = nn.Sequential(*convolutions[:3], nn.MaxPool2d(2), *convolutions[3:], nn.ReLU())
    assert_same(network, reference)


# --- blocks and their parameters -----------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters, inner, out",
    [
        ("out, hidden=out // 2", 4, 8),
        ("out, hidden=in", 3, 8),
        ("out, hidden=in * 2 + out", 14, 8),
        ("out, hidden=max(out - 2, 1)", 6, 8),
        ("out, wide=2, hidden=out * wide", 16, 8),
        ("out, hidden=if out > 4 then 5 else 6", 5, 8),
        ("out, hidden=out / 4", 2, 8),
        ("out, hidden=round(out * 0.4)", 3, 8),
        ("out, hidden=floor(out * 0.4) + ceil(out * 0.4)", 7, 8),
        ("out, hidden=sqrt(out * 2)", 4, 8),
        ("out, hidden=round_to(out * 0.75, 4)", 8, 8),
        ("out, hidden=out * 0.5", 4, 8),
    ],
)
def test_defaults_that_depend_on_parameters(parameters: str, inner: int, out: int) -> None:
    block = f"block b({parameters}) {{ conv(hidden, 3), conv(out, 1) }}\n"
    expected = nn.Sequential(conv(3, inner), conv(inner, out, 1))
    assert_same(build(MAPS + block + f"stage b({out})\n"), expected)
    nested = block + "block outer(n) { b(n) }\n"
    assert_same(build(MAPS + nested + f"stage outer({out})\n"), expected)
    called = block + f"stem {{ b({out}) }}\n"
    assert_same(build(MAPS + called), expected)


@pytest.mark.parametrize(
    "expression, values",
    [
        ("out / 4", [(8, 2), (16, 4)]),
        ("out / 3", [(6, 2), (9, 3)]),
        ("2 * out / 3", [(6, 4), (9, 6)]),
        ("out * 2 / 3", [(6, 4), (9, 6)]),
        ("out * (1 / 3)", [(6, 2), (9, 3)]),
        ("out * 0.25", [(8, 2), (12, 3)]),
        ("out / 0.1", [(1, 10), (3, 30)]),
        ("out // 0.3", [(3, 10), (6, 20)]),
        ("round(out * 0.07)", [(50, 4), (150, 10)]),
        ("out * 0.5 // out + 1", [(2, 1), (4, 1)]),
        ("(out * 0.3) // 1", [(10, 3), (5, 1)]),
        ("ceil(out / 3)", [(7, 3), (9, 3)]),
        ("floor(out / 3)", [(7, 2), (9, 3)]),
        ("sqrt(out)", [(9, 3), (16, 4)]),
        ("sqrt(out) * 2 + 1", [(9, 7), (16, 9)]),
        ("if out == 8 then out / 8 else out / 3", [(8, 1), (9, 3)]),
        ("if out > 8 then 12 / (out - 8) else 5", [(8, 5), (12, 3)]),
        ("min(out, 7, in + 1)", [(8, 4), (2, 2)]),
        ("round_to(out * 0.3, 8)", [(30, 16), (100, 32)]),
        ("-(-out)", [(3, 3), (4, 4)]),
        ("if not out > 3 and in == 3 or no then 1 else 2", [(3, 1), (4, 2)]),
        ("out - (in - 1)", [(5, 3), (6, 4)]),
        ("out // (in // 3)", [(5, 5), (6, 6)]),
        ("if out * 0.1 == 0.3 then 5 else 6", [(3, 5), (4, 6)]),
    ],
)
def test_expressions_of_a_block_are_exact(expression: str, values: list[tuple[int, int]]) -> None:
    """Python's floats don't stand between the language's exact numbers and the code's whole ones."""
    text = f"block b(out) {{ conv({expression}, 1) }}\n"
    branches = [small(text + f"stage b({out})") for out, _ in values]
    for network, (_, expected) in zip(branches, values, strict=True):
        assert next(network.module().parameters()).shape[0] == expected
    # All in one network, so that the block can't be written with constants; `in` stays 3 by a projection.
    stages = "".join(f"stage b({out})\nlayers {{ conv(3, 1) }}\n" for out, _ in values)
    network = build(MAPS + text + stages)
    shapes = [p.shape[0] for p in network.module().parameters() if p.dim() == 4]
    assert shapes[::2] == [expected for _, expected in values]
    assert_styles_agree(network)


def test_numbers_that_stay_fractions() -> None:
    block = "block b(p, rate=p / 2) { conv(4, 1), bn(eps=p, momentum=rate), dropout(rate) }\n"
    network = build(MAPS + block + "stage b(0.5)\nstage b(0.1)\n")
    norms = [m for m in network.module().modules() if isinstance(m, nn.BatchNorm2d)]
    assert [(m.eps, m.momentum) for m in norms] == [(0.5, 0.25), (0.1, 0.05)]
    assert [m.p for m in network.module().modules() if isinstance(m, nn.Dropout)] == [0.25, 0.05]


def test_fraction_in_one_place_and_whole_in_another() -> None:
    block = "block b(p) { dropout(p), conv(4, 1) }\n"
    network = build(MAPS + block + "stage b(0.5)\nstage b(0)\n")
    assert [m.p for m in network.module().modules() if isinstance(m, nn.Dropout)] == [0.5, 0.0]


@pytest.mark.parametrize("kernels", ["3", "1x3", "3x1, 1x3", "3, 1x5", "1, 3, 5x1"])
def test_kernels_as_parameters(kernels: str) -> None:
    block = "block b(k, s=1) { conv(4, k, s), skip { conv(4, k) } }\nblock outer(k) { b(k) }\n"
    stages = "".join(f"stage b({k})\nstage outer({k})\n" for k in kernels.split(", "))
    network = build(MAPS + block + stages)
    used = [m.kernel_size for m in network.module().modules() if isinstance(m, nn.Conv2d)]
    sizes = [tuple(map(int, k.split("x"))) if "x" in k else (int(k), int(k)) for k in kernels.split(", ")]
    assert used == [size for size in sizes for _ in range(4)]
    assert_styles_agree(network)


def test_padding_and_flags_as_parameters() -> None:
    block = "block b(pad, bias, g=1) { conv(4, 3, padding=pad, bias=bias, groups=g, dilation=g) }\n"
    stages = "stage b(1, yes)\nstage b(2x2, no, g=2)\nstage b(1, yes, g=4)\n"
    network = build(MAPS + block + stages)
    layers = [m for m in network.module().modules() if isinstance(m, nn.Conv2d)]
    assert [(m.padding, m.bias is None, m.groups) for m in layers] == [
        ((1, 1), False, 1), ((2, 2), True, 2), ((1, 1), False, 4)
    ]  # fmt: skip
    assert_styles_agree(network)


def test_a_block_as_an_argument_of_comparison() -> None:
    block = "block b(out, kind=residual) { conv(if kind == residual then out else 2 * out, 1) }\n"
    network = build(MAPS + block + "stage b(4)\nstage b(4, kind=plain)\n")
    assert network.output_shape == (8, 8, 8)
    assert_styles_agree(network)


def test_blocks_within_blocks() -> None:
    blocks = (
        "block inner(out, k=3) { conv(out, k), relu }\n"
        "block middle(out, wide=2) { inner(out * wide), inner(out, k=1) }\n"
        "block outer(out, stride=1) { skip { middle(out, wide=3), maxpool(stride) } "
        "shortcut { conv(out, 1, stride) } }\n"
    )
    network = build(MAPS + blocks + "stage outer(4, repeat=2, stride=2)\n")

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(m[1](F.relu(m[0](x)))), 2) + m[2](x)
        return F.relu(m[4](F.relu(m[3](x)))) + x

    layers: list[nn.Module] = [conv(3, 12), conv(12, 4, 1), conv(3, 4, 1, 2), conv(4, 12), conv(12, 4, 1)]
    assert_same(network, Reference(layers, compute))


def test_default_arguments_hold_for_standard_blocks_too() -> None:
    network = small(
        "order conv\ndefault conv(bias=no), bn(eps=1e-3)\nstem { conv(4, 3), bn }\nstage plain(4)"
    )
    layers = [m for m in network.module().modules() if isinstance(m, nn.Conv2d)]
    assert [layer.bias for layer in layers] == [None, None, None]
    assert next(m for m in network.module().modules() if isinstance(m, nn.BatchNorm2d)).eps == 1e-3


def test_a_default_gives_way_to_an_argument() -> None:
    network = small("default conv(bias=no, kernel=1)\nstem { conv(4), conv(4, 3, bias=yes) }")
    layers = [m for m in network.module().modules() if isinstance(m, nn.Conv2d)]
    assert [(layer.kernel_size, layer.bias is None) for layer in layers] == [((1, 1), True), ((3, 3), False)]


def test_an_unused_block_is_checked_for_names_but_not_generated() -> None:
    network = small("block unused(n=1 / 0) { conv(n, 3) }\nstem { conv(4, 3) }")
    assert "unused" not in network.source().lower()
    assert codes(SMALL + "block unused(n) { covn(n, 3) }\nstem { conv(4, 3) }\n" + HEAD) == ["NET201"]


def test_an_unused_default_is_not_evaluated() -> None:
    network = small("block b(n=1 / 0, m=4) { conv(n, 3), conv(m, 3) }\nstage b(n=4)")
    assert_styles_agree(network)


# --- flatten within blocks -----------------------------------------------------------------------


def test_a_block_with_flatten_on_different_shapes() -> None:
    blocks = "block classifier(hidden) { flatten, linear(hidden), relu, linear(hidden) }\n"
    text = "network n\ninput 3x8x8\n" + blocks + "stage classifier(5)\nstage classifier(6)\n"
    reference = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 5), nn.ReLU(), nn.Linear(5, 5),
        nn.Flatten(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6),
    )  # fmt: skip
    assert_same(build(text), reference)


def test_a_flattening_block_called_by_blocks_of_two_shapes() -> None:
    blocks = (
        "block features(out) { flatten, linear(out) }\n"
        "block down(out, stride=1) { conv(out, 3, stride), features(out) }\n"
    )
    one = build(MAPS + blocks + "stage down(4)\n")
    two = build(MAPS + blocks + "stage down(4, stride=2)\n")
    assert_same(one, nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(256, 4)))
    assert_same(two, nn.Sequential(conv(3, 4, 3, 2), nn.Flatten(), nn.Linear(64, 4)))


def test_a_block_on_maps_and_vectors() -> None:
    text = (
        MAPS + "block b() { skip { bn, relu } }\nstem { conv(4, 3) }\nstage b\nlayers { flatten }\nstage b\n"
    )

    def compute(m: nn.ModuleList, x: Tensor) -> Tensor:
        x = m[0](x)
        x = torch.flatten(F.relu(m[1](x)) + x, 1)
        return F.relu(m[2](x)) + x

    assert_same(build(text), Reference([conv(3, 4), bn(4), nn.BatchNorm1d(256)], compute))


# --- parameters of the network -------------------------------------------------------------------


def test_parameters_and_settings() -> None:
    text = "network n(width=4, deep=no, kind=plain)\ninput 3x8x8\nlet n = if deep then 3 else 1\n"
    text += "order conv\nstem { conv(width, 1) }\nstages kind {\n out repeat\n width n\n}\n"
    assert dict(build(text).parameters).keys() == {"width", "deep", "kind"}
    assert [p.shape[0] for p in build(text).module().parameters() if p.dim() == 4] == [4] * 3
    other = build(text, width="2 * 3", deep="yes", kind="residual")
    assert [p.shape[0] for p in other.module().parameters() if p.dim() == 4] == [6] * 7
    with pytest.raises(NetworkError, match="no parameter `depth`"):
        build(text, depth="3")


def test_a_parameter_that_names_an_operation() -> None:
    text = "network n(act=relu)\ninput 3x8x8\nstem { conv(4, 3), act }\n"
    assert "ReLU" in build(text).source()
    network = build(text, act="identity")
    assert "ReLU" not in network.source()


def test_number_of_the_same_name_does_not_get_in_the_way() -> None:
    network = build("network n\ninput 3x8x8\nlet relu = 3\nlet conv = 5\nstem { conv(conv, relu), relu }\n")
    assert_same(network, nn.Sequential(conv(3, 5), nn.ReLU()))


def test_lets_stand_in_any_order() -> None:
    network = build(
        "network n\nlet a = b + 1\ninput 3x8x8\nlet b = classes\nstem { conv(a, 1) }\nclasses 2\n" + HEAD
    )
    assert next(network.module().parameters()).shape[0] == 3


# --- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["module", "functional", "sequential"])
def test_dropout(style: str) -> None:
    network = build("network n\ninput 20000\nstem { dropout(0.25) }\n")
    x = torch.ones(1, 20000)
    torch.manual_seed(0)
    if style == "functional":
        _, forward = network.functional()
        trained, evaluated = forward(x, [], training=True), forward(x, [], training=False)
    else:
        model = network.module() if style == "module" else network.sequential()
        trained, evaluated = model.train()(x), model.eval()(x)
    assert torch.equal(evaluated, x)
    assert sorted({round(value, 4) for value in trained.unique().tolist()}) == [0.0, 1.3333]
    assert abs(float((trained == 0).double().mean()) - 0.25) < 0.02


# --- expectations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement, holds",
    [
        ("expect params == 122", True), ("expect params < 122", False), ("expect params <= 122", True),
        ("expect params > 0.1k", True), ("expect params >= 123", False), ("expect params != 122", False),
        ("expect macs == 6920", True), ("expect macs < 7k", True), ("expect macs > 1M", False),
    ],
)  # fmt: skip
def test_expectations(statement: str, holds: bool) -> None:
    found = codes(SMALL + "stem { conv(4, 3) }\n" + HEAD + statement + "\n")
    assert found == ([] if holds else ["NET601"])


# --- names ---------------------------------------------------------------------------------------

NAMES = [
    "p", "b", "x", "y", "init", "torch", "F", "Tensor", "forward", "list", "range", "nn", "self_",
    "params", "buffers", "training", "dtype", "device", "generator", "model", "module", "layer", "int",
    "float", "print", "tensors", "Init", "in_channels", "in_features", "init_params", "init_buffers",
    "features1", "shortcut", "body", "stage1", "stem", "head_", "layers_", "super", "isinstance",
    "num_batches_tracked", "eval", "requires_grad", "parameters", "modules", "x2", "shortcut_input",
    "adds", "type", "object", "round", "min", "max", "match", "case", "_", "a1", "A",
]  # fmt: skip


@pytest.mark.parametrize("start", range(0, len(NAMES), 6))
def test_any_name_can_be_a_block_parameter_or_network(start: int) -> None:
    names = NAMES[start : start + 6]
    first, last = names[0], names[-1]
    blocks = "".join(
        f"block {name}({name}, stride=1) {{\n"
        f"  skip {{ conv({name}, 3, stride), bn, dropout(0.5) }} shortcut {{ conv({name}, 1, stride) }}\n"
        f"  skip {{ bn, skip if same {{ conv(2 * {name}, 1) }}, conv({name}, 1) }}\n}}\n"
        f"block chain_{name}({name}) {{ {name}({name} + 1), {last}(out={name}) }}\n".replace("out=", "")
        for name in names
    )
    calls = ", ".join(f"{name}(4), chain_{name}(5)" for name in names)
    text = (
        f"network {first}({last}x=4)\ninput 3x4x4\n{blocks}"
        f"stem {{ conv({last}x, 3), {calls}, skip {{ {first}(5) }} }}\n"
        f"stage {first}(4, stride=2, repeat=2)\nlayers {{ {last}(5), {last}(5), relu }}\n"
    )
    assert_styles_agree(build(text))


@pytest.mark.parametrize("name", ["class", "lambda", "None", "if", "self", "__init__", "import", "yield"])
def test_names_that_python_keeps_are_refused(name: str) -> None:
    assert "NET204" in codes(SMALL + f"block {name}(out) {{ relu }}\nstem {{ conv(4, 3) }}\n" + HEAD)
    assert "NET204" in codes(SMALL + f"block b({name}) {{ relu }}\nstem {{ conv(4, 3) }}\n" + HEAD)
    assert "NET204" in codes(SMALL.replace("small", name) + "stem { conv(4, 3) }\n" + HEAD)


def test_two_blocks_whose_classes_would_be_called_the_same() -> None:
    blocks = "block my_block(out) { conv(out, 1) }\nblock MyBlock(out) { conv(out, 3) }\n"
    blocks += "block my_block_params(out) { skip { bn } }\nblock n(out) { conv(out, 1), bn }\n"
    stages = "stage my_block(4)\nstage MyBlock(5)\nstage my_block_params(5)\nstage n(4)\n"
    assert_styles_agree(build("network n\ninput 3x8x8\n" + blocks + stages))


def test_labels_name_attributes() -> None:
    network = build(
        "network n\ninput 3x8x8\nlayers { first: conv(4, 3), relu, second: conv(4, 3), out: bn }\n"
    )
    names = dict(network.module().named_children()).keys()
    assert {"first", "second", "out"} <= names
    assert_styles_agree(network)


def test_comments_become_docstrings_and_nothing_else() -> None:
    text = (
        '# Ends """ here \\ and {{ view }} {% raw %}\n# second line\n'
        'network n\ninput 3x8x8\n\n# A block: "quoted"\nblock b(out) { conv(out, 3) }\nstage b(4)\n'
    )
    network = build(text)
    for style in STYLES:
        assert "{{ view }}" in network.source(style)
    assert_styles_agree(network)


def test_items_of_lists() -> None:
    network = build(
        "network n(size=8, level=1)\nlet widths = [4, 6, 8]\ninput [3, size, size]\nclasses 2\n"
        "stem { conv(widths[level], 3), repeat 3 as i { conv(widths[i], 3), relu } }\n"
        "stages b(inner=[2, 3]) {\n  out\n  widths[2]\n  widths[0]\n}\n"
        "block b(out, inner) { conv(out, 1), repeat 2 as i { conv(inner[i], 1) } }\n" + HEAD,
        size="6",
    )
    assert network.input_shape == (3, 6, 6)
    sizes = [module.out_channels for module in network.module().modules() if isinstance(module, nn.Conv2d)]
    assert sizes == [6, 4, 6, 8, 8, 2, 3, 4, 2, 3]
    assert_styles_agree(network)


def test_remainders_are_those_of_python() -> None:
    text = (
        "network n(a=7)\ninput 3x4x4\nstage b(repeat=4, wide=2 + 3 * (index % 2))\n"
        "block b(wide) { conv(wide * (a % 4) % 5 + 1, 3), conv(-1 % 5, 1) }\n"
    )
    network = build(text)
    convolutions = [m for m in network.module().modules() if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [2 * 3 % 5 + 1, 4, 5 * 3 % 5 + 1, 4] * 2
    assert_styles_agree(network)
    assert codes("network n\ninput 3x4x4\nlayers { conv(4 % 0, 3) }\n") == ["NET303"]
