from __future__ import annotations

import pytest
import torch

from netdsl.runtime import speed
from netdsl.runtime.errors import RunError
from netdsl.runtime.speed import SpeedRequest, choose, has_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_where_the_hardware_has_it(
    native: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "has_bf16", lambda device: native)
    found = choose(SpeedRequest(device="cpu"), ())
    assert found.precision == chosen
    assert found.reasons[0].startswith(f"{chosen} (this CPU ")
    with found.autocast():
        assert torch.is_autocast_enabled("cpu") is native
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if native else torch.float32)


def test_wishes_are_met_and_recorded() -> None:
    request = SpeedRequest(device="cpu", precision="fp32", layout="contiguous", fused="off")
    found = choose(request, ())
    facts = found.facts()
    assert facts.pop("threads") == torch.get_num_threads()
    assert facts == {"device": "cpu", "precision": "fp32", "layout": "contiguous", "fused": "off"}
    images = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert found.laid_out(images).is_contiguous()
    assert choose(SpeedRequest(device="cpu"), ()).laid_out(images) is images
    with pytest.raises(RunError, match="tf32") as raised:
        choose(SpeedRequest(device="cpu", precision="tf32"), ())
    assert "fp32" in raised.value.help


def test_bf16_of_the_cpu_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bf16(CPU)
    monkeypatch.setattr(torch.cpu, names[1], lambda: True)
    assert has_bf16(CPU)
    for name in names:  # A torch that doesn't know the question.
        monkeypatch.delattr(torch.cpu, name)
    assert not has_bf16(CPU)
