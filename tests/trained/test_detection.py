"""Detectors from the `.net` file to boxes in a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from netdsl.inspect.inspected_run import InspectedRun
from netdsl.runtime import checkpoint, metrics
from netdsl.runtime.detection.boxes import without_padding
from netdsl.runtime.detection.scenes import Scenes
from netdsl.runtime.distributed import ALONE
from netdsl.runtime.inference_model import InferenceModel
from netdsl.trained.open_run import open_run
from netdsl.trained.tasks import task_of
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
        ("features", "run", "-o", "f"),
        ("robustness", "run"),
    ):
        refused = netdsl(*command)
        assert refused.exit_code == 1 and "run is the run of a detector" in refused.output
    Path("more").mkdir()
    for name in ("scene.png", "more/scene.png", "more/small.bmp"):
        Image.fromarray(images[0].permute(1, 2, 0).numpy()).save(name)
    Path("more/broken.png").write_bytes(b"broken")
    several = netdsl("predict", "run", "scene.png", "more", "-o", "found")
    assert several.exit_code == 1 and "broken.png: not an image" in several.stderr
    drawn = sorted(path.name for path in Path("found").iterdir())
    assert drawn == ["scene-2.png", "scene.png", "small.png"]
    one = netdsl("predict", "run", "scene.png", "more", "-o", "found.png")
    assert one.exit_code == 1 and "name a folder for them: `-o found`" in one.stderr
    over = netdsl("predict", "run", "more", "-o", "more")
    assert over.exit_code == 2 and "is an input, and would be lost" in over.stderr
    none = netdsl("predict", "run", "scene.png", "--score", 1)
    assert none.exit_code == 0 and "a lower `--score` finds more" in none.stderr


def test_results_have_the_ids_of_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(FCOS)
    assert netdsl("train", "tiny.net", "--run", "run", "--epochs", 1, "--compile", "off").exit_code == 0
    images, boxes = Scenes("test", torch.arange(3), (3, 48, 48), seed=0).draw(torch.arange(3))
    Path("test").mkdir()
    annotations: list[dict[str, object]] = []
    for number, (image, own) in enumerate(zip(images, boxes, strict=True)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(f"test/{number}.png")
        for left, top, right, bottom, kind in without_padding(own).tolist():
            bbox = [left, top, right - left, bottom - top]
            each = {"id": len(annotations) + 1, "image_id": 10 + number, "category_id": 70 + int(kind)}
            annotations.append({**each, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0})
    listed = [{"id": 10 + n, "file_name": f"{n}.png", "height": 48, "width": 48} for n in range(3)]
    categories = [{"id": 70 + kind, "name": str(kind)} for kind in range(10)]
    coco = {"images": listed, "annotations": annotations, "categories": categories}
    Path("test.json").write_text(json.dumps(coco))
    done = netdsl("predict", "run", "test.json", "-o", "results.json")
    assert done.exit_code == 0, done.output
    rows = json.loads(Path("results.json").read_text())
    assert {row["image_id"] for row in rows} == {10, 11, 12}
    assert {row["category_id"] for row in rows} <= set(range(70, 80))
    # The library reads them, and finds what `eval` finds in the same images.
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO("test.json")
    evaluation = COCOeval_faster(truth, truth.loadRes("results.json"), "bbox")
    evaluation.run()
    with torch.inference_mode():
        opened = open_run(Path("run"))
        deployed = InferenceModel(opened.model("best", torch.device("cpu")), opened.preprocessing("best"))
        scoring = task_of(opened.network).scoring(torch.device("cpu"))
        scoring.add(deployed.outputs(images.float() / 255), boxes)
    assert evaluation.stats[1] == pytest.approx(scoring.result(ALONE)["ap50"], abs=1e-6)
    without = netdsl("predict", "run", "test", "-o", "results.json")
    assert without.exit_code == 2 and "name a file of COCO's annotations" in without.output
    Path("test.json").write_text(json.dumps({**coco, "categories": categories[:9]}))
    other = netdsl("predict", "run", "test.json", "-o", "results.json")
    assert other.exit_code == 1 and "has no category `9`" in other.output


def test_boxes_before_suppression_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    for name, text, candidates in (("yolo", YOLO, 2 * 12 * 12), ("fcos", FCOS, 12 * 12 + 6 * 6)):
        Path("tiny.net").write_text(text)
        assert netdsl("train", "tiny.net", "--run", name, "--epochs", 1, "--compile", "off").exit_code == 0
        done = netdsl("export", name, "--onnx", f"{name}.onnx")
        assert done.exit_code == 0, done.output
        session = onnxruntime.InferenceSession(f"{name}.onnx")
        assert [output.name for output in session.get_outputs()] == ["boxes", "scores"]
        boxes, scores = session.run(None, {"images": torch.rand(3, 3, 48, 48).numpy()})
        assert boxes.shape == (3, candidates, 4) and boxes.max() <= 48 and scores.shape == (3, candidates, 10)


def test_a_detector_overfits_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(FCOS.replace("unit(8, 3, 2) }", "unit(32, 3, 2) }", 1))
    # The scenes are the same in each epoch, though those of a training are new ones.
    options = ("--compile", "off", "--precision", "fp32", "--optimizer.lr", 0.02)
    done = netdsl("train", "tiny.net", "--overfit", 2, *options)
    assert done.exit_code == 0, done.output
    assert "AP50" in done.output and "guessing" not in done.output


@pytest.mark.parametrize("text", [YOLO, FCOS], ids=["yolo", "fcos"])
def test_the_score_of_a_box_is_explained(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.net").write_text(text)
    assert netdsl("train", "tiny.net", "--run", "run", "--epochs", 1, "--compile", "off").exit_code == 0
    inspected = InspectedRun.open(Path("run"), "best", "cpu", places=True)
    assert inspected.boxes is not None
    image = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    found = inspected.boxes.found(image)
    assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
    logits = inspected.model(image[None])[0]
    for box in found[:5]:
        assert logits[box.number].sigmoid().item() == pytest.approx(box.score, rel=1e-4)
    of_class = inspected.boxes.found(image, found[-1].kind)
    assert of_class and {box.kind for box in of_class} == {found[-1].kind}
    shown = netdsl(
        "saliency", "run", "test:0", "--method", "grad-cam", "--box", 1, "-o", "s.png", "--format", "json"
    )
    assert shown.exit_code == 0, shown.output
    (record,) = json.loads(shown.stdout)
    assert record["predicted"]["probability"] >= record["explained"]["probability"]
    assert len(record["box"]) == 4 and Path("s.png").exists()
    refused = netdsl("saliency", "run", "test:0", "--box", 1000, "-o", "s.png")
    assert refused.exit_code == 1 and "test:0: there is no box 1000" in refused.output
