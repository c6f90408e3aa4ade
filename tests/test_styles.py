"""The three styles of every shipped network are the same function."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.files import shipped
from netdsl.torch_names import MODULE_ATTRIBUTES
from tests.building import build
from tests.equality import assert_styles_agree
from tests.test_cases import CASES, read_case

NETWORKS = [name for name in shipped() if name != "std"]


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks(name: str) -> None:
    assert_styles_agree(netdsl.load(name))


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
    assert public - MODULE_ATTRIBUTES == set(), "write these into netdsl/torch_names.py"
