"""Every network of the zoo is its reference: small ones number by number, the whole ones tensor by tensor.

`python -m docs.zoo` compares the whole ones number by number too; docs/zoo.md has what it found.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision.models

from docs.zoo import PAGE, read_figures, row, text_digest
from netdsl.syntax.net_files import bare_names, head_of, shipped
from netdsl.trained.import_weights import import_weights
from tests.support.equality import assert_styles_agree, on_meta
from tests.zoo.compare import compare, flops, shapes
from tests.zoo.entries import ENTRIES, SMALL, Entry, Small

TOLERANCE = 1e-10


@pytest.mark.parametrize("small", SMALL, ids=lambda small: f"{small.file}-{len(small.settings)}")
def test_small_networks_equal_their_references(small: Small) -> None:
    network = small.load()
    torch.manual_seed(0)
    ours, theirs = network.module(), small.create_reference()
    assert network.parameters_count == sum(p.numel() for p in theirs.parameters())
    assert shapes(ours) == shapes(theirs, small.moves)
    assert 2 * network.macs == flops(network, on_meta(network.module))
    found = compare(ours, theirs, small.size, small.moves)
    assert found.response > 1e-3, "the outputs must depend on the images"
    assert max(found.differences) <= TOLERANCE
    assert not [spread for spread in found.spreads if not spread.agrees]
    # The other styles are the same function as the module style.
    assert_styles_agree(network)


@pytest.mark.parametrize("file", ["resnet18", "densenet", "regnet", "convnext"])
def test_checkpoints_of_torchvision_are_imported(file: str, tmp_path: Path) -> None:
    small = next(small for small in SMALL if small.file == file)
    network, theirs = small.load(), small.create_reference().eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    matched = "name" if file == "resnet18" else "position"
    assert matched in import_weights(network, tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    ours = network.module().eval()
    ours.load_state_dict(safetensors.torch.load_file(tmp_path / "ours.safetensors"))
    x = torch.randn(2, *network.input_shape)
    torch.testing.assert_close(ours(x), theirs(x))


def test_every_file_has_a_small_network_and_an_entry() -> None:
    networks = shipped().keys() - {"std"}
    assert {small.file for small in SMALL} == networks
    assert {entry.file for entry in ENTRIES} == networks


def test_bare_names_are_unique() -> None:
    heads = {path.stem: head_of(path) for path in shipped().values() if path.stem != "std"}
    names = Counter([*heads, *(variant.name.text for head in heads.values() for variant in head.variants)])
    assert not [name for name, times in names.items() if times > 1]


# Networks that torchvision makes with or without auxiliary heads.
HEADS = ("googlenet", "inception_v3")


def test_every_network_of_torchvision_has_a_bare_name() -> None:
    assert set(torchvision.models.list_models(module=torchvision.models)) <= bare_names().keys()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_whole_networks_have_the_sizes_of_their_references(entry: Entry) -> None:
    """Of torchvision's the published numbers are enough: `docs.zoo` compares their tensors."""
    network = entry.load()
    if entry.is_torchvision and entry.file not in HEADS:
        # Of several weights those for images of the network's size: a vision transformer's depend on it.
        published = torchvision.models.get_model_weights(entry.name)
        of_size = (own for own in published if own.transforms.keywords["crop_size"] == network.input_shape[1])
        weights = next(of_size, published.DEFAULT)
        assert weights.meta["num_params"] == network.parameters_count
        if weights.transforms.keywords["crop_size"] == network.input_shape[1]:
            assert round(network.macs / 1e9, 3) == weights.meta["_ops"]
    else:
        assert shapes(on_meta(network.module)) == shapes(on_meta(entry.reference), entry.moves)
    figures = read_figures()[entry.name]
    assert figures["text"] == text_digest(entry), f"run `python -m docs.zoo '{entry.name}'`"
    assert row(entry, network, figures) in PAGE.read_text(encoding="utf-8"), "run `python -m docs.zoo`"
