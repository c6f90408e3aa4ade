"""Weights of other implementations: `netdsl.transplant` and `netdsl import-weights`."""

from __future__ import annotations

from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn

import netdsl
from netdsl.cli import main
from tests.support.building import build
from tests.support.equality import call_functional, randomised

TEXT = """\
network tiny(width=4)
input 3x8x8
classes 5
stem { conv(width, 3, bias=no), bn, relu, conv(width, 3), bn, relu }
head { global_avgpool, flatten, linear(classes) }
"""


def reference() -> nn.Module:
    """The network above by another hand in float64, with weights and statistics that are always the same."""
    torch.manual_seed(0)
    model = nn.Sequential(
        OrderedDict(
            conv_a=nn.Conv2d(3, 4, 3, padding=1, bias=False),
            norm_a=nn.BatchNorm2d(4),
            act_a=nn.ReLU(),
            conv_b=nn.Conv2d(4, 4, 3, padding=1),
            norm_b=nn.BatchNorm2d(4),
            act_b=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            fc=nn.Linear(4, 5),
        )
    )
    return randomised(model, seed=0).eval()


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_untouched(model: nn.Module, before: dict[str, Tensor]) -> None:
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


X = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("style", ["module", "sequential"])
def test_by_position(style: str) -> None:
    theirs, ours = reference(), getattr(build(TEXT), style)().double().eval()
    assert netdsl.transplant(theirs.state_dict(), ours) == "position"
    torch.testing.assert_close(ours(X), theirs(X), rtol=1e-12, atol=1e-12)


def test_by_name_whatever_the_order() -> None:
    network = build(TEXT)
    theirs, ours = randomised(network.module(), seed=1), network.module()
    backwards = dict(reversed(theirs.state_dict().items()))
    assert netdsl.transplant(backwards, ours) == "name"
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor.to(ours.state_dict()[name].dtype))


def test_into_the_functional_style() -> None:
    code: Any = build(TEXT).imported("functional")
    params, buffers = code.init_params(dtype=torch.float64), code.init_buffers(dtype=torch.float64)
    assert netdsl.transplant(reference().state_dict(), (params, buffers)) == "position"
    assert all(p.is_leaf and p.requires_grad for p in params)
    output = call_functional(code, X, params, buffers, training=False)
    torch.testing.assert_close(output, reference()(X), rtol=1e-12, atol=1e-12)
    with pytest.raises(
        netdsl.TransplantError, match=r"norm_a.running_mean \(4, running_mean\)  for  nothing"
    ):
        netdsl.transplant(reference().state_dict(), params)


def test_counters_may_be_missing() -> None:
    ours = build(TEXT).module().double().eval()
    state = {name: t for name, t in reference().state_dict().items() if "num_batches" not in name}
    netdsl.transplant(state, ours)
    torch.testing.assert_close(ours(X), reference()(X), rtol=1e-12, atol=1e-12)


def test_misfits_are_reported_and_nothing_is_copied() -> None:
    ours = build(TEXT).module()
    before, good = copied(ours), dict(reference().state_dict())
    cases: list[tuple[dict[str, Any], str]] = [
        (
            good | {"fc.weight": torch.zeros(7, 4)},
            r"fc\.weight \(7x4, kernel\) +for +\S+weight \(5x4, kernel\)",
        ),
        ({n: t for n, t in good.items() if n != "fc.bias"}, r"nothing +for +\S+bias \(5, bias\)"),
        (good | {"extra.weight": torch.zeros(1, 1)}, r"extra\.weight \(1x1, kernel\) +for +nothing"),
        ({}, "0 entries for the network's 1"),
        (good | {"fc.weight": "text"}, "`fc.weight` is not a dense tensor"),
        (good | {"fc.weight": torch.zeros(5, 4).to_sparse()}, "`fc.weight` is not a dense tensor"),
        (good | {"fc.weight": torch.zeros(5, 4, dtype=torch.complex64)}, "`fc.weight` is not a dense tensor"),
        # A bias of four numbers in the place of a scale of four numbers.
        (
            {"conv_a.bias" if n == "norm_a.weight" else n: t for n, t in good.items()},
            r"conv_a\.bias \(4, bias\) +for +\S+weight \(4, scale\)",
        ),
    ]
    for state, message in cases:
        with pytest.raises(netdsl.TransplantError, match=message):
            netdsl.transplant(state, ours)
        assert_untouched(ours, before)


def test_the_report_of_many_misfits_is_short() -> None:
    wide = build(TEXT, width="8").module()
    with pytest.raises(netdsl.TransplantError) as caught:
        netdsl.transplant(reference().state_dict(), wide)
    assert "15 entries for the network's 15, 12 mismatched" in str(caught.value)
    assert len(str(caught.value).splitlines()) < 10
    assert "more" in str(caught.value)


class Tokens(nn.Module):
    """A network whose own parameter comes before its layers, as the class token of a vision transformer."""

    def __init__(self, shape: tuple[int, ...], kernel: nn.Module) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(shape))
        self.register_buffer("relative_position_index", torch.arange(6))
        self.register_buffer("relative_coords_table", torch.randn(2, 3))
        self.first, self.second = kernel, nn.Linear(4, 5)


ORDER = ["first.weight", "first.bias", "token"]


def test_an_order_of_names_lengths_of_one_and_derived_buffers() -> None:
    """Those named take the places that they have together: before `second`."""
    theirs = Tokens((1, 1, 4), nn.Conv2d(3, 4, 1))
    ours = nn.ModuleList([nn.Linear(3, 4), nn.ParameterList([torch.zeros(4)]), nn.Linear(4, 5)])
    before = copied(ours)
    with pytest.raises(netdsl.TransplantError, match=r"token \(1x1x4\)  +for  0.weight \(4x3, kernel\)"):
        netdsl.transplant(theirs.state_dict(), ours)
    with pytest.raises(netdsl.TransplantError, match="`order` has `third.weight`, but the weights have no"):
        netdsl.transplant(theirs.state_dict(), ours, order=[*ORDER, "third.weight"])
    assert_untouched(ours, before)
    assert netdsl.transplant(theirs.state_dict(), ours, order=ORDER) == "position"
    found, wanted = dict(ours.named_parameters()), dict(theirs.named_parameters())
    for name, reference_name in zip(found, [*ORDER, "second.weight", "second.bias"], strict=True):
        assert torch.equal(found[name].flatten(), wanted[reference_name].flatten())
    # And the other way round: (out, in) to (out, in, 1, 1), (4) to (1, 1, 4).
    back = Tokens((1, 1, 4), nn.Conv2d(3, 4, 1))
    in_our_order = [found[name] for name in ("1.0", "0.weight", "0.bias", "2.weight", "2.bias")]
    state = dict(zip("abcde", (tensor.detach() for tensor in in_our_order), strict=True))
    parameters: list[Tensor] = list(back.parameters())
    netdsl.transplant(state, parameters)
    for tensor, other in zip(parameters, theirs.parameters(), strict=True):
        assert torch.equal(tensor, other)


@pytest.mark.parametrize(
    "shapes", [((4, 3), (3, 4)), ((4, 1), (1, 4)), ((1, 4, 3, 1), (1, 3, 4)), ((), (2,))]
)
def test_only_lengths_of_one_at_the_ends_may_differ(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    for one, other in (shapes, shapes[::-1]):
        with pytest.raises(netdsl.TransplantError, match="1 mismatched"):
            netdsl.transplant({"a": torch.zeros(one)}, [torch.zeros(other)])


# --- the command -----------------------------------------------------------------------------------


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(TEXT)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["import-weights", "tiny.net", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def parallel(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def touch(name: str) -> None:
    Path(name).touch()


class Foreign:
    """A class that no other program has; loading it as it is would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return touch, ("pwned",)


# What other programs write: the content, and the line on it.
CHECKPOINTS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "w.pth": (lambda state: state, ""),
    "W.BIN": (lambda state: state, ""),
    "nested.pth.tar": (lambda state: {"epoch": 3, "state_dict": parallel(state), "best": 0.9}, ""),
    "parallel.pt": (lambda state: {"model": {"state_dict": parallel(state)}}, ""),
    "lightning.ckpt": (lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}}, ""),
    "cifar.t7": (lambda state: {"net": state, "acc": np.float64(95.1), "args": Namespace(lr=1)}, ""),
    "own.pth": (lambda state: {"weights": state, "config": Foreign()}, ""),
    "timm.pth": (
        lambda state: {"state_dict_ema": {k: v + 1 for k, v in state.items()}, "state_dict": state},
        "took `state_dict` of timm.pth, not `state_dict_ema`",
    ),
    "optimizer.pth": (
        lambda state: {
            "optimizer": torch.optim.Adam([torch.zeros(1, requires_grad=True)]).state_dict(),
            "any": state,
        },
        "",
    ),
}


@pytest.mark.parametrize("file", CHECKPOINTS)
def test_import_weights(workplace: Path, file: str) -> None:
    theirs = reference()
    state = dict(theirs.state_dict())
    content, note = CHECKPOINTS[file]
    torch.save(content(state), file)
    result = run("--from", file, "-o", "out/w.safetensors")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote out/w.safetensors: {len(state)} tensors for tiny, matched by position\n"
    assert [line for line in result.stderr.splitlines() if file in line] == [note] * bool(note)
    assert not Path("pwned").exists()
    ours = netdsl.load("tiny.net").module()
    ours.load_state_dict(safetensors.torch.load_file("out/w.safetensors"), strict=True)
    torch.testing.assert_close(ours.eval()(X.float()), theirs.float()(X.float()))


def test_safetensors_are_matched_by_name_only(workplace: Path) -> None:
    """They sort their tensors by name, so that positions would mix up equal layers."""
    safetensors.torch.save_file(reference().state_dict(), "foreign.safetensors")
    result = run("--from", "foreign.safetensors", "-o", "out.safetensors")
    assert result.exit_code == 1
    assert "safetensors files sort their tensors" in result.output
    assert not Path("out.safetensors").exists()
    own = randomised(netdsl.load("tiny.net").module(), seed=0).float().state_dict()
    safetensors.torch.save_file(parallel(own), "own.safetensors")
    result = run("--from", "own.safetensors", "-o", "out.safetensors")
    assert "matched by name" in result.output
    written = safetensors.torch.load_file("out.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in own.items())


def test_import_weights_refuses(workplace: Path) -> None:
    state = dict(reference().state_dict())
    whole = safetensors.torch.save(state)
    Path("cut.safetensors").write_bytes(whole[: len(whole) // 2])
    torch.save(state, "whole.pth")
    Path("cut.pth").write_bytes(Path("whole.pth").read_bytes()[:1000])
    Path("text.pth").write_text("hello")
    Path("empty.pt").write_bytes(b"")
    Path("w.npz").write_bytes(b"")
    Path("folder.pth").mkdir()
    torch.save(reference(), "module.pth")
    torch.save([1, 2], "list.pth")
    torch.save({}, "nothing.pth")
    torch.save({"weight": 3}, "number.pth")
    for weights, message in {
        "cut.safetensors": "cut.safetensors is damaged",
        "cut.pth": "can't be read as weights",
        "text.pth": "can't be read as weights",
        "empty.pt": "can't be read as weights",
        "module.pth": "holds no state dict",
        "folder.pth": "there is no file folder.pth",
        "missing.pth": "there is no file missing.pth",
        "w.npz": "can't be read as weights",
        "list.pth": "holds no state dict",
        "nothing.pth": "holds no state dict",
        "number.pth": "holds no state dict",
    }.items():
        result = run("--from", weights, "-o", "out.safetensors")
        assert result.exit_code == 1, weights
        assert message in result.output, result.output
        assert not Path("out.safetensors").exists()
    result = run("--from", "whole.pth", "-o", "out.safetensors", "--set", "width=8")
    assert result.exit_code == 1
    assert "conv_a.weight (4x3x3x3, kernel)" in result.output
    assert run("--from", "whole.pth", "-o", "out.pth").exit_code == 2
    assert run("--from", "whole.pth", "-o", "tiny.net/out.safetensors").exit_code == 1
    assert {path.name for path in workplace.glob("out*")} == set()
