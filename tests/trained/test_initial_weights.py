"""Trainings that begin with the weights of others, and train some of them only."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn
from torchvision.models import ShuffleNet_V2_X0_5_Weights, resnet18, shufflenet_v2_x0_5

import netdsl
from netdsl.commands.shared_networks import compiled_network
from netdsl.ir.layer_names import parameter_layers
from netdsl.network import CompiledNetwork
from netdsl.runtime import checkpoint
from netdsl.runtime.errors import RunError
from netdsl.runtime.preprocessing import Preprocessing
from netdsl.runtime.speed import SpeedRequest
from netdsl.runtime.transplant import TransplantError, take
from netdsl.trained.initial_weights import InitialWeights, begin, tuning
from netdsl.trained.open_run import create_model, open_run
from netdsl.training.train_run import train_run
from tests.support.samples import CPU, said

NET = """\
network small
input 1x8x8
classes {classes}
order conv, bn, relu
default conv(bias=no)
stem {{ unit(4, 3) }}
stages residual {{
  out  repeat  stride
   4     2       1
   {width}     1       2
}}
block residual(out, stride=1) {{
  skip {{ unit(out, 3, stride), conv(out, 3), bn }}
  shortcut {{ conv(out, 1, stride=stride) }}
}}
head {{ global_avgpool, flatten, fc: linear(classes) }}
train {{
  data digits
  images 100
  epochs 1
  batch 50
  optimizer sgd(lr=0.1)
}}
"""
FP32 = SpeedRequest(device="cpu", precision="fp32", compile="off")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)


def network(classes: int = 10, width: int = 8, **recipe: str) -> CompiledNetwork:
    Path("small.net").write_text(NET.format(classes=classes, width=width))
    return CompiledNetwork(compiled_network("small.net", {}, recipe))


def trained(folder: str, style: str = "module", **recipe: str) -> dict[str, torch.Tensor]:
    network()
    train_run(compiled_network("small.net", {}, recipe), recipe, style, Path(folder), FP32)
    return checkpoint.load(Path(folder) / "last.safetensors")


def begun(
    net: CompiledNetwork, style: Any = "module", names: str = "0123456789"
) -> tuple[InitialWeights, nn.Module, str]:
    console = Console(file=io.StringIO(), width=200)
    model = create_model(net, style, 0, CPU)
    initial = begin(net, model, style, tuple(names), console)
    assert initial is not None
    return initial, model.module().eval(), said(console)


@pytest.mark.parametrize("style", ["module", "functional", "sequential"])
@pytest.mark.parametrize("other", ["module", "functional", "sequential"])
def test_weights_of_every_style_fit_every_style(style: str, other: str) -> None:
    trained("run", other)
    initial, module, text = begun(network(weights='"run"'), style)
    assert initial.new == [] and "weights of run: 16 of 16 layers, by name, and their normalisation" in text
    x = torch.rand(2, 1, 8, 8)
    original = open_run(Path("run")).model("best", CPU).module().eval()
    torch.testing.assert_close(module(x), original(x), rtol=1e-5, atol=1e-6)


def test_other_classes_begin_a_new_head() -> None:
    before = trained("run")
    initial, module, text = begun(network(classes=7, weights='"run"'))
    assert initial.new == ["head.fc"]
    assert "15 of 16 layers" in text and "new: head.fc (10x8 in the weights)" in text
    fresh = create_model(network(classes=7), "module", 0, CPU).state()
    for name, tensor in module.state_dict().items():
        expected = fresh if name.startswith("fc") or name.endswith("tracked") else before
        assert torch.equal(tensor, expected[name]), name
    saved = Preprocessing.read(Path("run/best.safetensors"))
    assert (tuple(initial.mean), tuple(initial.deviation)) == (saved.mean, saved.deviation)


def test_all_layers_of_other_classes_begin_anew() -> None:
    Path("normed.net").write_text(
        NET.format(classes=10, width=8).replace("linear(classes)", "linear(classes, bias=no), bn")
    )
    train_run(compiled_network("normed.net", {}, {}), {}, "module", Path("run"), FP32)
    net = CompiledNetwork(compiled_network("normed.net", {}, {"weights": '"run"'}))
    initial, _, text = begun(net, names="01234567xy")
    assert initial.new == ["head.fc", "head.bn1"], text


@pytest.mark.parametrize("net", [NET, NET.replace("linear(classes)", "linear(10)")])
def test_as_many_classes_of_other_names_begin_a_new_head(net: str) -> None:
    before = trained("run")
    Path("small.net").write_text(net.format(classes=10, width=8))
    compiled = CompiledNetwork(compiled_network("small.net", {}, {"weights": '"run"'}))
    initial, module, text = begun(compiled, names="01234567xy")
    assert initial.new == ["head.fc"]
    assert "15 of 16 layers" in text
    assert "new: head.fc (other classes: `8` in the weights, `x` here)" in text
    fresh = create_model(compiled, "module", 0, CPU).state()
    for name, tensor in module.state_dict().items():
        expected = fresh if name.startswith("fc") or name.endswith("tracked") else before
        assert torch.equal(tensor, expected[name]), name


def test_another_width_is_said_by_part() -> None:
    trained("run")
    initial, _, text = begun(network(width=6, weights='"run/last.safetensors"'))
    assert {layer.partition(".")[0] for layer in initial.new} == {"stage2", "head"}
    assert (
        "new: stage2 (5 layers; block1.conv1: 8x4x3x3 in the weights), head.fc (10x8 in the weights)" in text
    )
    assert "not used: stage2 (5 layers), fc" in text


def test_a_whole_layer_is_taken_or_none_of_it() -> None:
    """The bias of the head fits, but its kernel has other inputs."""
    trained("run")
    _, module, _ = begun(network(width=6, weights='"run"'))
    fresh = create_model(network(width=6), "module", 0, CPU).state()
    assert torch.equal(module.state_dict()["fc.bias"], fresh["fc.bias"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no weights at nowhere"),
        ("other.pth", "of another network"),
        ("torchvision:x", "no network `x`"),
    ],
)
def test_what_does_not_fit_is_refused(source: str, message: str) -> None:
    torch.save(nn.Linear(3, 5).state_dict(), "other.pth")
    net = network(weights=f'"{source}"')
    with pytest.raises(RunError, match=message):
        begun(net)


def test_no_code_in_a_file_of_weights_is_run() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    torch.save({"state_dict": {"fc.weight": torch.ones(10, 8)}, "evil": Evil()}, "evil.pth")
    with pytest.raises(RunError):
        begun(network(weights='"evil.pth"'))


def test_weights_of_torchvision_are_matched_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in the cache of torchvision, where the download puts them; with ImageNet's normalisation."""
    reference = shufflenet_v2_x0_5()
    weights = ShuffleNet_V2_X0_5_Weights.DEFAULT
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    hub.mkdir(parents=True)
    net = CompiledNetwork(
        compiled_network("shufflenet_v2_x0_5", {}, {"weights": '"torchvision:shufflenet_v2_x0_5"'})
    )

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    with monkeypatch.context() as patched:
        patched.setattr(urllib.request, "urlopen", offline)
        patched.setattr(torch.hub, "urlopen", offline)
        with pytest.raises(RunError, match="can't be downloaded: no network") as raised:
            begun(net)
        assert weights.url in raised.value.help
    torch.save(reference.state_dict(), hub / weights.url.rpartition("/")[2])
    initial, module, _ = begun(net)
    assert initial.new == []
    assert initial.mean == [0.485, 0.456, 0.406]
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(module(x), reference.eval()(x), rtol=1e-4, atol=1e-4)


def test_position_needs_the_same_network() -> None:
    """But for numbers of outputs; two layers of equal shapes are never exchanged."""
    source = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 10))
    wider = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(4, 7)})
    taken = take(source.state_dict(), wider, ordered=True)
    assert taken.matched == "position" and set(taken.new) == {"fc.weight", "fc.bias"}
    assert torch.equal(wider["conv"].weight, source[0].weight)  # type: ignore[arg-type]
    with pytest.raises(TransplantError):
        take(source.state_dict(), wider, ordered=False)
    deeper = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "more": nn.Conv2d(4, 4, 3), "fc": nn.Linear(4, 7)})
    with pytest.raises(TransplantError):
        take(source.state_dict(), deeper, ordered=True)


def test_frozen_layers_stay_bit_for_bit() -> None:
    before = trained("run")
    for norms in ("frozen", "none", "all"):
        after = trained(
            norms, weights='"run"', freeze='"stem", "stage1.block2"', eval_norms=norms, lr_factor="0.5"
        )
        frozen = ("stem.", "stage1.1.")
        for name, tensor in after.items():
            if name.endswith("tracked"):
                continue
            statistic = "running" in name
            fixed = norms == "all" or (norms == "frozen" and name.startswith(frozen))
            same = fixed if statistic else name.startswith(frozen)
            assert torch.equal(tensor, before[name]) == same, (norms, name)


def test_freezing_needs_a_layer_with_weights() -> None:
    with pytest.raises(RunError, match="no weights in `stage1.block3`") as raised:
        tuning(network(freeze='"stage1.block3"'), None)
    assert raised.value.help == "did you mean `stage1.block2`?"
    with pytest.raises(RunError, match="no weights to train"):
        trained("run", freeze="stem, stage1, stage2, head")
    with pytest.raises(RunError, match="functional style have no evaluation mode"):
        trained("run", "functional", freeze="stem")
    trained("run", "functional", freeze="stem", eval_norms="none")


def test_the_factor_of_what_was_taken() -> None:
    """The first step of plain SGD is in proportion to the learning rate; new layers have the whole one."""
    trained("run")
    steps = {}
    for factor in ("1", "0.25"):
        recipe = {"weights": '"run"', "lr_factor": factor, "batch": "100", "optimizer": "sgd(lr=0.1)"}
        Path("small.net").write_text(NET.format(classes=10, width=6))
        net = compiled_network("small.net", {}, recipe)
        train_run(net, recipe, "module", Path(f"factor {factor}"), FP32)
        _, module, _ = begun(CompiledNetwork(net))
        after = checkpoint.load(Path(f"factor {factor}/last.safetensors"))
        steps[factor] = {name: after[name] - own for name, own in module.state_dict().items()}
    for name, step in steps["1"].items():
        if not name.endswith(("mean", "var", "tracked")):
            share = 1.0 if name.startswith(("stage2", "fc")) else 0.25
            torch.testing.assert_close(steps["0.25"][name], share * step, rtol=1e-3, atol=1e-6)


def test_the_record_of_a_run_names_its_weights() -> None:
    trained("run")
    trained("tuned", weights='"run"')
    record = json.loads(Path("tuned/run.json").read_text())
    assert record["initial"]["source"] == "run" and record["initial"]["new"] == []


@pytest.mark.parametrize("name", ["resnet32", "googlenet", "cifar_vit", "densenet", "cells", "mobilenet_v2"])
def test_parameters_belong_to_layers(name: str) -> None:
    """Stages of the module style have the names of the file."""
    net = netdsl.load(name)
    with torch.device("meta"):
        names = [own for own, _ in net.module().named_parameters()]
    layers = parameter_layers(net.typed)
    assert len(names) == len(layers)
    for own, layer in zip(names, layers, strict=True):
        if own.startswith(("stage", "layer")) and "." in own and own.split(".")[1].isdigit():
            assert own.partition(".")[0] == layer.partition(".")[0]
            assert f"block{int(own.split('.')[1]) + 1}" == layer.split(".")[1]


def test_torchvision_fits_resnet18_with_other_classes() -> None:
    reference = resnet18()
    torch.save(reference.state_dict(), "resnet18.pth")
    Path("mine.net").write_text(
        "network mine\ninput 3x64x64\nclasses 3\nlayers { conv(8, 3), relu, flatten, linear(classes) }\n"
    )
    net = CompiledNetwork(compiled_network("resnet18", {}, {"weights": '"resnet18.pth"'}))
    initial, module, _ = begun(net)
    assert initial.new == [] and initial.mean == []
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(module(x), reference.eval()(x), rtol=1e-4, atol=1e-4)


def test_an_epoch_that_was_kept() -> None:
    trained("run", "functional", epochs="2", keep="every(1)")
    _, module, text = begun(network(weights='"run/epoch1.safetensors"'))
    assert "16 of 16 layers" in text
    x = torch.rand(2, 1, 8, 8)
    original = open_run(Path("run")).model("epoch1", CPU).module().eval()
    torch.testing.assert_close(module(x), original(x), rtol=1e-5, atol=1e-6)
