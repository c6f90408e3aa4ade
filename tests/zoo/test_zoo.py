"""Every network of the zoo computes the same function as its reference, with the reference's weights."""

from __future__ import annotations

import pytest

from docs.zoo import PAGE, facts
from netdsl.syntax.net_files import shipped
from tests.zoo.compare import compare
from tests.zoo.entries import ENTRIES, TORCHVISION, Entry, loads

TOLERANCE = 1e-10


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_equals_its_reference(entry: Entry) -> None:
    comparison = compare(entry, narrow=True)
    # Parameters and multiply-accumulates.
    assert comparison.network.parameters_count == comparison.parameters == comparison.reference_parameters
    assert comparison.shapes == comparison.reference_shapes
    assert 2 * comparison.network.macs == comparison.flops
    # The function.
    assert comparison.response > 1e-3, "the outputs must depend on the images"
    assert comparison.evaluation <= TOLERANCE
    assert comparison.training <= TOLERANCE
    assert comparison.gradients <= TOLERANCE
    assert comparison.running <= TOLERANCE
    # The initialisation.
    assert not [spread for spread in comparison.spreads if not spread.agrees]


def test_every_network_has_a_reference() -> None:
    assert {entry.file for entry in ENTRIES} == shipped().keys() - {"std"}


# Their references have an `nn.Sequential` where our files have other parts.
OTHER_NAMES = {"squeezenet", "mobilenet_v2", "mobilenet_v3_small", "mnasnet1_0", "densenet"}


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.source == TORCHVISION], ids=lambda entry: entry.name
)
def test_state_dicts_of_torchvision_load(entry: Entry) -> None:
    assert loads(entry, entry.load()) == (entry.file not in OTHER_NAMES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_page_is_current(entry: Entry) -> None:
    assert f"| {' | '.join(facts(entry, entry.load()))} |" in PAGE.read_text(encoding="utf-8")
