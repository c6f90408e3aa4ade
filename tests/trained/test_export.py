"""`netdsl export`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

import netdsl as netdsl_api
from netdsl.trained import export
from netdsl.trained.open_run import open_run
from tests.support.commands import netdsl
from tests.support.samples import pixels
from tests.trained.conftest import SMALL, STYLES

MISSING = 'needs the extra: pip install "netdsl[onnx]"'


@pytest.mark.parametrize("style", STYLES)
def test_the_file_computes_what_the_run_computes(style: str, trained: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason=MISSING)
    onnxruntime = pytest.importorskip("onnxruntime", reason=MISSING)
    pytest.importorskip("onnxscript", reason=MISSING)
    file = tmp_path / "new" / "small.onnx"
    result = netdsl("export", trained / style, "--onnx", file)
    assert result.exit_code == 0, result.output
    assert "on 106 images" in result.output

    content = file.read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (images,), (logits,) = (session.get_inputs(), session.get_outputs())
    assert (images.name, images.shape, images.type) == ("images", ["batch", 3, 8, 8], "tensor(float)")
    assert (logits.name, logits.shape) == ("logits", ["batch", 10])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list("0123456789")

    run = open_run(trained / style)
    data = run.data(Console())
    model = run.model("best", torch.device("cpu"))
    floats = data.floats(pixels(data.test))
    with torch.inference_mode():
        expected = model(data.normalise(floats), training=False)
    (found,) = session.run(["logits"], {"images": floats.contiguous().numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)


def test_nothing_is_replaced_by_a_file_that_differs(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=MISSING)
    file = tmp_path / "small.onnx"
    file.write_text("what was there")
    for opset in (7, 99):
        result = netdsl("export", trained / "module", "--onnx", file, "--opset", opset)
        assert result.exit_code == 1
        assert f"torch can't write this network in opset {opset}" in result.output
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda content, providers: 1 / 0)
    result = netdsl("export", trained / "module", "--onnx", file)
    assert result.exit_code == 1
    assert "onnxruntime can't run the ONNX file: division by zero" in result.output
    monkeypatch.undo()
    monkeypatch.setattr(export, "_TOLERANCE", -1)
    result = netdsl("export", trained / "module", "--onnx", file)
    assert result.exit_code == 1
    assert "other outputs than the run" in result.output
    assert file.read_text() == "what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_without_the_run_s_data(colours: Path) -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=MISSING)
    (colours / "images").rename(colours / "elsewhere")
    result = netdsl("export", "run", "--onnx", "two.onnx")
    assert result.exit_code == 0
    assert "not compared on test images: cannot read the folder images" in result.output
    assert "on 6 images" in result.output


def test_a_missing_extra_is_named(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = netdsl("export", trained / "module", "--onnx", tmp_path / "small.onnx")
    assert result.exit_code == 1
    assert 'pip install "netdsl[onnx]"' in result.output
    assert not any(tmp_path.iterdir())


def test_a_file_of_a_network_with_outputs_has_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=MISSING)
    onnxruntime = pytest.importorskip("onnxruntime", reason=MISSING)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    body, recipe = SMALL.split("linear(classes) }\n")
    text = (
        f"{body}save features, linear(classes), save logits }}\n"
        "layers { from features, linear(classes), save aux }\n"
        f"output logits, features\noutput aux when training\n{recipe}"
    )
    (tmp_path / "small.net").write_text(text)
    result = netdsl("train", tmp_path / "small.net", "--run", tmp_path / "run")
    assert result.exit_code == 0, result.output
    file = tmp_path / "small.onnx"
    result = netdsl("export", tmp_path / "run", "--onnx", file)
    assert result.exit_code == 0, result.output
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    outputs = [(output.name, output.shape) for output in session.get_outputs()]
    assert outputs == [("logits", ["batch", 10]), ("features", ["batch", 512])]
    assert netdsl("eval", tmp_path / "run").exit_code == 0


@pytest.mark.parametrize("style", STYLES)
def test_files_of_torch(style: str, trained: Path, tmp_path: Path) -> None:
    files = {"pt2": tmp_path / "small.pt2", "torchscript": tmp_path / "small.pt"}
    options = [option for name, file in files.items() for option in (f"--{name}", file)]
    result = netdsl("export", trained / style, *options)
    assert result.exit_code == 0, result.output
    assert result.output.count("on 106 images") == 2

    images = torch.rand(3, 3, 8, 8)
    expected = netdsl_api.open(trained / style).model()(images)
    extra = {"classes": ""}
    exported = torch.export.load(files["pt2"], extra_files=extra).module()
    assert json.loads(extra["classes"]) == list("0123456789")
    extra = {"classes": ""}
    scripted = torch.jit.load(files["torchscript"], _extra_files=extra)
    assert json.loads(extra["classes"]) == list("0123456789")
    for loaded in (exported, scripted):
        (found,) = loaded(images)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_file_is_named(trained: Path) -> None:
    assert "name the file to write" in netdsl("export", trained / "module").output
    options = ("--pt2", "x.pt2", "--opset", 20)
    assert "`--opset` is for `--onnx`" in netdsl("export", trained / "module", *options).output
