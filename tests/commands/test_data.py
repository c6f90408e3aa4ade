"""`netdsl data`: figures of folders of images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.boxes import Boxes, coco, save, write, yolo
from tests.support.commands import netdsl
from tests.support.samples import save_image


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_CACHE", str(tmp_path / "cache"))
    return tmp_path


TRAIN: dict[str, Boxes] = {
    "a.png": [(2, 1, 6, 5, "cat"), (8, 0, 20, 10, "dog"), (5, 5, 5, 9, "dog")],
    "b.png": [],
    "c.png": [(0, 0, 4, 4, "dog")],
}
MIXING = """network mixing
input 3x8x8
classes 2
layers { flatten, linear(classes) }
train {
  data cifar10
  batch 6
  validation 2
  augment flip, mixup
}
"""
TEST: dict[str, Boxes] = {"e.png": [(4, 4, 8, 8, "cat"), (1, 2, 3, 5, "dog")], "gone.png": []}


@pytest.fixture
def boxes() -> Path:
    root = Path("pets")
    for part, images in (("train", TRAIN), ("test", TEST)):
        write(root / f"{part}.json", coco(images))
        for name, own in images.items():
            if name != "gone.png":
                save(root / part / name, own)
    return root


def test_boxes(boxes: Path) -> None:
    done = netdsl("data", "pets")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "pets: 4 images with 5 boxes of 2 classes (COCO JSON)",
        "sizes: 10x20, in colour",
        "",
        "part   images  boxes       per image  without",
        "train       3      3  1.0, at most 2        1",
        "test        1      2  2.0, at most 2        0",
        "",
        "class  train  test  small  medium  large",
        "cat        1     1      2       0      0",
        "dog        2     1      3       0      0",
        "total      3     2      5       0      0",
        "",
        "missing images, left out: 1, such as gone.png of test.json",
        "images without boxes, kept: 1, such as train/b.png",
        "boxes of no size, dropped: 1, such as [5, 5, 5, 9] in train/a.png",
    ]
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_boxes_in_json(boxes: Path) -> None:
    (boxes / "test" / "e.png").write_bytes(b"")
    done = netdsl("data", "pets", "--format", "json")
    found = json.loads(done.stdout)
    assert found["parts"]["train"] == {
        "images": 3,
        "unreadable": 0,
        "without_boxes": 1,
        "boxes": 3,
        "by_class": [1, 2],
        "by_class_and_size": [[1, 0, 0], [2, 0, 0]],
    }
    assert found["parts"]["test"]["unreadable"] == 1 and found["parts"]["test"]["images"] == 0
    assert (found["format"], found["classes"], found["sizes"]) == ("COCO JSON", ["cat", "dog"], [[10, 20]])
    assert len(found["remarks"]) == 3 and "an empty file" in done.stderr


def test_sizes_are_those_of_the_files() -> None:
    """YOLO text has fractions of the image: its sizes count."""
    own: Boxes = [(0, 0, 10, 10, "dog"), (2, 1, 6, 5, "cat")]
    save(Path("pets/images/a.png"), height=200, width=400)
    save(Path("pets/images/b.png"), height=100, width=100)
    for name in "ab":
        write(Path(f"pets/labels/{name}.txt"), yolo(own))
    write(Path("pets/classes.txt"), "cat\ndog\n")
    done = netdsl("data", "pets")
    assert "sizes: 100x100 to 200x400, in colour" in done.stdout
    # Areas: 80 * 80 and 200 * 200 in the first image, 20 * 40 and 50 * 100 in the second.
    assert "cat        2      1       1      0\ndog        2      0       1      1\n" in done.stdout
    assert "no images for the test: a tenth of those for training is" in done.stdout


def test_folders_of_classes() -> None:
    for i in range(3):
        save_image(Path(f"images/train/red/{i}.png"))
        save_image(Path(f"images/train/blue/{i}.png"), (0, 0, 255))
    save_image(Path("images/test/red/0.png"), size=20)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save("images/train/blue/gray.png")
    Path("images/train/blue/broken.png").write_bytes(b"broken")
    done = netdsl("data", "images")
    assert done.stdout.splitlines() == [
        "images: 8 images of 2 classes (folders of classes)",
        "sizes: 5x5 to 20x20, 1 of them gray",
        "",
        "class  train  test",
        "blue       4     0",
        "red        3     1",
        "total      7     1",
    ]
    assert "left out, not an image of a known format" in done.stderr
    found = json.loads(netdsl("data", "images", "--format", "json").stdout)
    assert found["parts"] == {
        "test": {"images": 1, "unreadable": 0, "by_class": [0, 1]},
        "train": {"images": 7, "unreadable": 1, "by_class": [4, 3]},
    }


@pytest.mark.parametrize("kind", ["boxes", "classes"])
def test_a_sheet_of_samples(kind: str, boxes: Path) -> None:
    if kind == "classes":
        for name in ("red", "blue"):
            for i in range(15):
                save_image(Path(f"many/{name}/{i}.png"))
    folder = "pets" if kind == "boxes" else "many"
    done = netdsl("data", folder, "-o", "sheet.png")
    assert done.exit_code == 0 and done.stdout.endswith("wrote sheet.png\n")
    width, height = Image.open("sheet.png").size
    assert width > 600 and (height > 1000) == (kind == "classes")  # four rows of five, or one of three


def test_what_is_no_data() -> None:
    Path("empty").mkdir()
    assert "empty has no images for training" in netdsl("data", "empty").stderr
    assert "unknown picture format `xyz`" in netdsl("data", "empty", "-o", "a.xyz").stderr
    save_image(Path("broken/red/0.png")).write_bytes(b"")
    assert "broken has no readable image" in netdsl("data", "broken").stderr


def test_a_sheet_after_augmentation() -> None:
    for name in ("blue", "red"):
        for i in range(8):
            save_image(Path(f"many/{name}/{i}.png"))
    Path("mixing.net").write_text(MIXING)
    done = netdsl("data", "many", "--network", "mixing.net", "-o", "sheet.png")
    assert done.exit_code == 0 and done.stdout.endswith("wrote sheet.png\n")
    assert "`--network` is for the sheet" in netdsl("data", "many", "--network", "mixing.net").stderr


def test_the_network_of_a_sheet_must_fit_the_data(boxes: Path) -> None:
    Path("mixing.net").write_text(MIXING)
    done = netdsl("data", "pets", "--network", "mixing.net", "-o", "sheet.png")
    assert done.exit_code == 1 and "have boxes, but the network is a classifier" in done.stderr
    assert not Path("sheet.png").exists()


def test_a_folder_that_is_none() -> None:
    for path in ("nowhere", "file"):
        Path("file").touch()
        result = netdsl("data", path)
        assert result.exit_code == 1
        assert result.output == f"error: there is no folder {path}\n  = help: name a folder with images\n"
