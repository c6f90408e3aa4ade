from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.flips import flipped
from netdsl.runtime import checkpoint
from netdsl.runtime.errors import RunError
from netdsl.runtime.model import create
from tests.support.samples import CPU, Tiny, tiny


def plain_namespace() -> dict[str, Any]:
    def init_params(*, dtype=None, device=None, generator=None):  # type: ignore[no-untyped-def]
        weight = torch.empty(2, 12, dtype=dtype, device=device)
        nn.init.kaiming_normal_(weight, generator=generator)
        return [weight.requires_grad_(), torch.zeros(2).requires_grad_()]

    def forward(x: Tensor, params: list[Tensor]) -> Tensor:
        return F.linear(x.flatten(1), *params)

    return {"init_params": init_params, "forward": forward}


def norm_namespace() -> dict[str, Any]:
    def init_params(**kwargs: Any) -> list[Tensor]:
        return [torch.randn(4, 3, 1, 1).requires_grad_(), torch.ones(4), torch.zeros(4)]

    def init_buffers(**kwargs: Any) -> list[Tensor]:
        return [torch.zeros(4), torch.ones(4)]

    def forward(x: Tensor, params: list[Tensor], buffers: list[Tensor], training: bool = False) -> Tensor:
        x = F.conv2d(x, params[0])
        mean, variance = buffers
        x = F.batch_norm(x, mean, variance, params[1], params[2], training)
        return x.mean((2, 3))

    return {"init_params": init_params, "init_buffers": init_buffers, "forward": forward}


def sequential_namespace() -> dict[str, Any]:
    return {"net": lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 2))}


def test_the_seed_decides_the_weights() -> None:
    for namespace, style, entry in [
        ({"Tiny": Tiny}, "module", "Tiny"),
        (sequential_namespace(), "sequential", "net"),
        (plain_namespace(), "functional", ""),
    ]:
        one, same, other = (
            create(namespace, style, entry, seed, CPU, torch.channels_last).parameters[0]
            for seed in (1, 1, 2)
        )
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


def test_training_switches_the_mode_and_back() -> None:
    model = create(sequential_namespace(), "sequential", "net", 0, CPU, torch.channels_last)
    x = torch.ones(50, 3, 2, 2)
    assert torch.equal(model(x, training=False), model(x, training=False))
    assert not torch.equal(model(x, training=True), model(x, training=True))
    assert torch.equal(model(x, training=False), model(x, training=False))


def test_functional_gives_what_its_forward_takes() -> None:
    plain = create(plain_namespace(), "functional", "", 0, CPU, torch.channels_last)
    x = torch.randn(8, 3, 2, 2)
    expected = F.linear(x.flatten(1), *plain.parameters)
    assert torch.equal(plain(x, training=True), expected)
    assert list(plain.state()) == ["params.000", "params.001"]

    norm = create(norm_namespace(), "functional", "", 0, CPU, torch.channels_last)
    assert [p.requires_grad for p in norm.parameters] == [True, False, False]
    before = norm.state()["buffers.000"].clone()
    norm(x, training=False)
    assert torch.equal(norm.state()["buffers.000"], before)
    norm(x, training=True).sum().backward()
    assert not torch.equal(norm.state()["buffers.000"], before)
    assert norm.parameters[0].is_leaf and norm.parameters[0].grad is not None


@pytest.mark.parametrize("style", ["module", "functional"])
def test_weights_survive_a_file(style: str, tmp_path: Path) -> None:
    namespace = {"Tiny": Tiny} if style == "module" else norm_namespace()
    model, other = (create(namespace, style, "Tiny", seed, CPU, torch.channels_last) for seed in (0, 1))
    x = torch.randn(4, 3, 8, 8)
    model(x, training=True)
    checkpoint.save(tmp_path / "w.safetensors", model.state())
    other.load_state(checkpoint.load(tmp_path / "w.safetensors"))
    assert torch.equal(model(x, training=False), other(x, training=False))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["w.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc.bias"), "have no `fc.bias`"),
        (lambda state: state.update(extra=torch.zeros(1)), "have `extra`"),
        (lambda state: state.update({"fc.bias": torch.zeros(3)}), "3 in the weights, 2 in the"),
    ],
)
def test_other_weights_are_refused_whole(change, message) -> None:  # type: ignore[no-untyped-def]
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state().items()}
    state = {name: tensor + 1 for name, tensor in before.items()}
    change(state)
    with pytest.raises(RunError, match=message) as raised:
        model.load_state(state)
    assert raised.value.help
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state().items())


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(RunError, match="no weights at"):
        checkpoint.load(path)
    checkpoint.save(path, {"w": torch.arange(100.0)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(RunError, match="is damaged"):
        checkpoint.load(path)


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        checkpoint.save(tmp_path / "file" / "w.safetensors", {"w": torch.zeros(1)})


def test_flipped_bits_are_refused_or_harmless(tmp_path: Path) -> None:
    """Over the whole file: the header with names, shapes and texts, its padding, and the tensors."""
    path = tmp_path / "w.safetensors"
    state = {"a.weight": torch.rand(3, 2), "a.steps": torch.tensor(5), "b": torch.zeros(0, 4)}
    checkpoint.save(path, state, {"classes": '["x", "checksum\\":\\"00000000"]'})
    read, metadata = checkpoint.read(path)
    assert metadata == {"classes": '["x", "checksum\\":\\"00000000"]'}
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)
    assert safetensors.torch.load_file(path).keys() == state.keys()
    bits = 600  # benchmarks/flips.py tries 10,000.
    found = flipped(path, bits)
    # Those in the key of the checksum: without it, it is not checked, and all else is as it was.
    assert found["wrong"] == 0 and found["harmless"] <= 8 * len('"checksum":"')
    assert found["refused"] == bits - found["harmless"]
