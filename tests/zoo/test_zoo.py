"""Every network of the zoo computes the same function as its reference, with the reference's weights."""

from __future__ import annotations

import pytest

from docs.zoo import PAGE, facts
from netdsl.syntax.net_files import shipped
from tests.zoo.compare import Comparison, compare
from tests.zoo.entries import ENTRIES, Entry

TOLERANCE = 1e-10


@pytest.fixture(scope="module", params=ENTRIES, ids=lambda entry: entry.name)
def comparison(request: pytest.FixtureRequest) -> Comparison:
    return compare(request.param)


def test_parameters_and_macs(comparison: Comparison) -> None:
    assert comparison.network.parameters_count == comparison.parameters == comparison.reference_parameters
    assert comparison.shapes == comparison.reference_shapes
    assert 2 * comparison.network.macs == comparison.flops


def test_same_function(comparison: Comparison) -> None:
    assert comparison.response > 1e-3, "the outputs must depend on the images"
    assert comparison.evaluation <= TOLERANCE
    assert comparison.training <= TOLERANCE
    assert comparison.gradients <= TOLERANCE
    assert comparison.running <= TOLERANCE


def test_initialisation(comparison: Comparison) -> None:
    assert not [spread for spread in comparison.spreads if not spread.agrees]


def test_every_network_has_a_reference() -> None:
    assert {entry.file for entry in ENTRIES} == shipped().keys() - {"std"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_page_is_current(entry: Entry) -> None:
    assert f"| {' | '.join(facts(entry, entry.load()))} |" in PAGE.read_text(encoding="utf-8")
