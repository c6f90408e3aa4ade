"""Detectors from the `.net` file to boxes in a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from netdsl.runtime import checkpoint, metrics
from netdsl.runtime.detection.scenes import Scenes
from tests.support.commands import netdsl

pytest.importorskip("faster_coco_eval", reason='needs the extra: pip install "netdsl[detection]"')

HEAD = """
network tiny
input 3x48x48
classes 10
order conv, bn, relu
stem { unit(8, 3, 2), unit(8, 3, 2) }
"""
TRAIN = """
train {
  data scenes(48)
  epochs 2
  batch 16
  optimizer adamw(lr=3e-3)
  augment flip, zoom(0.8, 1.25)
}
"""
YOLO = HEAD + "detect yolo(anchors=[12x12, 16x12])\nhead { conv(5 * anchors + classes, 1) }\n" + TRAIN
FCOS = HEAD + """detect fcos(score=0.01)
layers { conv(classes + 5, 1), save fine }
layers { from fine, maxpool(2), conv(classes + 5, 1), save coarse }
output fine, coarse
""" + TRAIN


@pytest.mark.parametrize("text", [YOLO, FCOS], ids=["yolo", "fcos"])
def test_trained_evaluated_and_resumed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(text)
    options = ("--compile", "off", "--precision", "fp32")
    whole = netdsl("train", "tiny.net", "--run", "whole", *options)
    assert whole.exit_code == 0, whole.output
    assert "test AP50" in whole.output
    rows = metrics.read(Path("whole"))
    parts = {"confidence", "box", "class"} if text is YOLO else {"class", "box", "centerness"}
    assert set(rows[0].figures) == parts
    assert rows[0].loss == pytest.approx(sum(rows[0].figures.values()), rel=1e-5)
    assert {"loss", "ap50", "ap", "ap75"} == set(rows[0].validation)
    evaluated = netdsl("eval", "whole").output
    assert evaluated.split("test AP50")[1].split("(")[0] == whole.output.split("test AP50")[1].split("(")[0]
    shown = netdsl("eval", "whole", "-o", "scores", "--format", "json")
    assert shown.exit_code == 0, shown.output
    record = json.loads(shown.stdout)
    assert record["ap50"] == json.loads(Path("whole/report.json").read_text())["test_ap50"]
    real = [each["ap50"] for each in record["classes"] if each["ap50"] is not None]
    assert record["ap50"] == pytest.approx(sum(real) / len(real)) and set(record["sizes"]) >= {"small"}
    confusion = torch.tensor(record["confusion"])
    assert confusion.sum(1)[:10].tolist() == [each["boxes"] for each in record["classes"]]
    assert {file.name for file in Path("scores").iterdir()} == {"confusion.png", "precision_recall.png"}
    # Scenes, augmentation and drawn anchors are those of a run that was never stopped.
    assert netdsl("train", "tiny.net", "--run", "half", "--epochs", 1, *options).exit_code == 0
    resumed = netdsl("train", "--resume", "half", "--epochs", 2)
    assert resumed.exit_code == 0, resumed.output
    one, other = (checkpoint.load(Path(run, "last.safetensors")) for run in ("whole", "half"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_boxes_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(YOLO)
    assert netdsl("train", "tiny.net", "--run", "run", "--epochs", 1, "--compile", "off").exit_code == 0
    images, _ = Scenes("test", torch.arange(1), (3, 48, 48), seed=0).draw(torch.arange(1))
    Image.fromarray(images[0].permute(1, 2, 0).numpy()).resize((96, 144)).save("scene.png")
    shown = netdsl("predict", "run", "scene.png", "--score", 0.001, "--format", "json", "-o", "boxes.png")
    assert shown.exit_code == 0, shown.output
    (record,) = json.loads(shown.stdout)
    assert 0 < len(record["boxes"]) <= 100
    scores = [box["score"] for box in record["boxes"]]
    assert scores == sorted(scores, reverse=True)
    for box in record["boxes"]:
        left, top, right, bottom = box["box"]
        assert 0 <= left <= right <= 96 and 0 <= top <= bottom <= 144
    with Image.open("boxes.png") as picture:
        assert picture.size[0] / picture.size[1] == pytest.approx(96 / 144, rel=0.01)
    table = netdsl("predict", "run", "scene.png", "--score", 0.001).output.splitlines()
    assert table[0].split() == ["image", "class", "score", "left", "top", "right", "bottom"]
    assert len(table) == 1 + len(record["boxes"])
    for command in (
        ("saliency", "run", "scene.png", "-o", "s.png"),
        ("features", "run", "-o", "f"),
        ("robustness", "run"),
    ):
        refused = netdsl(*command)
        assert refused.exit_code == 1 and "run is the run of a detector" in refused.output
    refused = netdsl("train", "tiny.net", "--overfit", 10)
    assert refused.exit_code == 1 and "the network is a detector" in refused.output
    none = netdsl("predict", "run", "scene.png", "--score", 1)
    assert none.exit_code == 0 and "a lower `--score` finds more" in none.stderr
