"""Networks with a class for each pixel, from the `.net` file to a coloured picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import netdsl as api
from netdsl.inspect.inspected_run import InspectedRun
from netdsl.runtime import checkpoint, metrics
from netdsl.runtime.detection.scenes import Scenes
from tests.support.commands import netdsl

TEXT = """
network tiny
input 3x48x48
classes 11
order conv, bn, relu
default conv(bias=no)
stem { unit(8, 3, 2), unit(8, 3), conv(classes, 1, bias=yes), save scores }
output scores
train {
  data scenes(48, masks=yes)
  epochs 2
  batch 16
  optimizer adamw(lr=3e-3)
  augment zoom(0.8, 1.25), crop(2)
}
"""
OPTIONS = ("--compile", "off", "--precision", "fp32")


def test_trained_evaluated_resumed_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(TEXT)
    whole = netdsl("train", "tiny.net", "--run", "whole", *OPTIONS)
    assert whole.exit_code == 0, whole.output
    assert "test mIoU" in whole.output and "pixel accuracy" in whole.output
    assert {"loss", "iou", "pixels"} == set(metrics.read(Path("whole"))[0].validation)
    shown = netdsl("eval", "whole", "-o", "scores", "--format", "json")
    assert shown.exit_code == 0, shown.output
    record = json.loads(shown.stdout)
    assert record["iou"] == json.loads(Path("whole/report.json").read_text())["test_iou"]
    confusion = torch.tensor(record["confusion"])
    assert confusion.sum() == 16 * 48 * 48 and record["pixels"] == confusion.trace() / confusion.sum()
    assert [each["class"] for each in record["classes"][:2]] == ["background", "0"]
    assert [file.name for file in Path("scores").iterdir()] == ["confusion.png"]
    assert netdsl("train", "tiny.net", "--run", "half", "--epochs", 1, *OPTIONS).exit_code == 0
    assert netdsl("train", "--resume", "half", "--epochs", 2).exit_code == 0
    one, other = (checkpoint.load(Path(run, "last.safetensors")) for run in ("whole", "half"))
    assert all(torch.equal(one[name], other[name]) for name in one)

    images, _ = Scenes("test", torch.arange(1), (3, 48, 48), seed=0).draw(torch.arange(1))
    Image.fromarray(images[0].permute(1, 2, 0).numpy()).resize((96, 144)).save("scene.png")
    found = netdsl("predict", "whole", "scene.png", "--top", 11, "--format", "json", "-o", "classes.png")
    assert found.exit_code == 0, found.output
    (prediction,) = json.loads(found.stdout)
    assert sum(each["probability"] for each in prediction["predictions"]) == pytest.approx(1)
    (mask,) = api.open("whole").segment("scene.png")
    assert mask.found is not None and mask.found.shape == (144, 96)
    with pytest.raises(api.RunError, match="with a class for each pixel") as caught:
        api.open("whole").predict("scene.png")
    assert "use `run.segment" in str(caught.value.help)
    page = netdsl("report", "whole")
    assert page.exit_code == 0 and "First batch" in Path("whole/report.html").read_text()
    assert "without" not in page.output
    with Image.open("classes.png") as picture:
        assert picture.size[0] / picture.size[1] == pytest.approx(96 / 144, rel=0.01)
    maps = ("saliency", "whole", "scene.png", "-o", "maps.png", "--format", "json")
    (at_all,) = json.loads(netdsl(*maps, "--class", "background").stdout)
    images = torch.from_numpy(np.array(Image.open("scene.png").resize((48, 48), Image.Resampling.BILINEAR)))
    model = InspectedRun.open(Path("whole"), "best", "cpu", places=True)
    outputs = model.model.outputs(images.permute(2, 0, 1)[None] / 255)[0]
    shares = F.interpolate(outputs, (48, 48), mode="bilinear").softmax(1)[0]
    assert at_all["explained"]["probability"] == pytest.approx(shares[0].mean().item(), rel=1e-4)
    (at_one,) = json.loads(netdsl(*maps, "--position", "40,3").stdout)
    assert at_one["explained"]["probability"] == pytest.approx(shares[:, 40, 3].max().item(), rel=1e-4)
    assert "write `40,25`" in netdsl(*maps, "--position", "40").stderr
    assert "the pixel 48,0 is outside" in netdsl(*maps, "--position", "48,0").stderr
    refused = netdsl("features", "whole", "-o", "f")
    assert refused.exit_code == 1 and "with a class for each pixel" in refused.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("scenes(48, masks=yes)", "digits"),
            "one class each, but the network gives each position a class",
        ),
        (
            (", save scores }\noutput scores", ", global_avgpool, flatten }"),
            "have masks, but the network is a classifier",
        ),
        (("scenes(48, masks=yes)", 'masks("nowhere")'), "cannot read the folder nowhere"),
    ],
)
def test_data_of_another_kind(
    change: tuple[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(TEXT.replace(*change))
    refused = netdsl("train", "tiny.net", *OPTIONS)
    assert refused.exit_code == 1 and message in refused.output
