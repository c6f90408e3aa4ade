"""The three styles of every shipped network are the same function."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.files import shipped
from tests.equality import assert_styles_agree

NETWORKS = [name for name in shipped() if name != "std"]


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks(name: str) -> None:
    assert_styles_agree(netdsl.load(name))
