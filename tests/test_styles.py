"""The three styles of every shipped network are the same function."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.files import shipped
from netdsl.torch_names import MODULE_ATTRIBUTES
from tests.equality import assert_styles_agree

NETWORKS = [name for name in shipped() if name != "std"]


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks(name: str) -> None:
    assert_styles_agree(netdsl.load(name))


def test_the_names_of_torch_modules_are_known() -> None:
    from torch import nn

    names = {*dir(nn.Module), *dir(nn.Sequential), *vars(nn.Module())}
    public = {name for name in names if not name.startswith("_")}
    assert public - MODULE_ATTRIBUTES == set(), "write these into netdsl/torch_names.py"
