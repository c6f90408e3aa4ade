"""The three styles of a network are the same function. tests/zoo compares those of the shipped networks."""

from __future__ import annotations

import pytest
import torch

from netdsl.compiler import STYLES, Style
from netdsl.other_frameworks.torch_attributes import MODULE_ATTRIBUTES
from tests.support.building import build
from tests.support.equality import assert_styles_agree
from tests.test_cases import CASES, read_case

SOURCES = {
    path.stem.rpartition("_")[0] or path.stem: read_case(path)
    for path in sorted((CASES / "codegen").glob("*.txt"))
}


@pytest.mark.parametrize("name", SOURCES)
def test_networks_of_the_cases(name: str) -> None:
    case = SOURCES[name]
    assert_styles_agree(build(case.source, **case.settings))


def test_the_names_of_torch_modules_are_known() -> None:
    from torch import nn

    names = {*dir(nn.Module), *dir(nn.Sequential), *vars(nn.Module())}
    public = {name for name in names if not name.startswith("_")}
    assert public - MODULE_ATTRIBUTES == set(), "write these into netdsl/other_frameworks/torch_attributes.py"


def test_a_generator_reaches_every_block() -> None:
    network = build(
        "network n\ninput 4x8x8\nblock b(p) { skip(drop_path=p) { conv(4, 3), dropout(p) } }\n"
        "block c(p) { b(p), relu }\nstem { conv(4, 3), dropout(0.5) }\nstage c(0.5, repeat=3)\n"
    )
    code = network.imported("functional")
    params, x = code.init_params(), torch.randn(2, 4, 8, 8)
    state = torch.get_rng_state()
    first, again, other = (
        code.forward(x, params, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("style", STYLES)
def test_code_does_not_grow_with_a_loop(style: Style) -> None:
    def lines(times: int) -> int:
        text = (
            "network n\ninput 4x8x8\n"
            "block b(n) { repeat n as i { conv(4, 3), relu }, skip { repeat n { relu } } }\n"
            "block d { concat { | | conv(2, 3) } }\n"
            f"stem {{ b({times}), repeat {times} {{ conv(4, 3), bn }} }}\nstage d(repeat={times})\n"
        )
        return len(build(text).source(style).splitlines())

    assert lines(3) == lines(300)
