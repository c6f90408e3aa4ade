"""Folders of images with boxes: every layout gives the same boxes, and whatever is wrong is counted."""

from __future__ import annotations

import os
import re
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from netdsl.runtime.detection import coco_json
from netdsl.runtime.detection.box_folder import list_boxes, read
from netdsl.runtime.errors import RunError
from netdsl.runtime.images import RULES, Source
from tests.support.boxes import HEIGHT, WIDTH, Boxes, coco, save, voc, write, yolo
from tests.support.samples import pixels, said

pytest.importorskip("defusedxml", reason="the extra `detection` is not installed")
pytest.importorskip("yaml", reason="the extra `detection` is not installed")

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd.tar.gz"

IMAGES: dict[str, dict[str, Boxes]] = {
    "train": {
        "a.png": [(2, 1, 6, 5, "cat"), (8, 0, 20, 10, "dog")],
        "b.png": [],
        "c.png": [(0, 0, 4, 4, "dog")],
    },
    "val": {"a.png": [(0, 2, 10, 4, "cat")], "d.png": [(1, 1, 2, 2, "dog")]},
    "test": {"e.png": [(4, 4, 8, 8, "cat"), (1, 2, 3, 5, "dog")]},
}


def layout(root: Path, images: Mapping[str, Mapping[str, Boxes]], place: str) -> None:
    """Saves the images at `place`, in which `PART` is the part."""
    for part, of_part in images.items():
        for name, boxes in of_part.items():
            save(root / place.replace("PART", part) / name, boxes)


def in_coco(root: Path) -> None:
    layout(root, IMAGES, "PART")
    for part, images in IMAGES.items():
        write(root / f"{part}.json", coco(images))


def as_published(root: Path) -> None:
    layout(root, IMAGES, "images/PART2017")
    for part, images in IMAGES.items():
        write(root / "annotations" / f"instances_{part}2017.json", coco(images))
        write(root / "annotations" / f"captions_{part}2017.json", {"images": [], "annotations": []})


def beside_the_images(root: Path) -> None:
    for part, images in IMAGES.items():
        folder = root / {"val": "valid"}.get(part, part)
        layout(folder, {part: images}, "")
        write(folder / "_annotations.coco.json", coco(images))


def in_voc(root: Path) -> None:
    for part, images in IMAGES.items():
        names = {f"{part}_{name}": boxes for name, boxes in images.items()}
        layout(root, {part: names}, "VOC2012/JPEGImages")
        stems = [name.removesuffix(".png") for name in names]
        write(root / "VOC2012" / "ImageSets" / "Main" / f"{part}.txt", "\n".join(stems) + "\n")
        for stem, boxes in zip(stems, names.values(), strict=True):
            write(root / "VOC2012" / "Annotations" / f"{stem}.xml", voc(boxes))


def xml_beside_the_images(root: Path) -> None:
    layout(root, IMAGES, "PART")
    for part, images in IMAGES.items():
        for name, boxes in images.items():
            write(root / part / name.replace(".png", ".xml"), voc(boxes))


def in_yolo(root: Path) -> None:
    layout(root, IMAGES, "images/PART")
    write(root / "data.yaml", "train: ../x\nnc: 2\nnames: [cat, dog]\n")
    for part, images in IMAGES.items():
        for name, boxes in images.items():
            write(root / "labels" / part / name.replace(".png", ".txt"), yolo(boxes))


def yolo_by_parts(root: Path) -> None:
    layout(root, IMAGES, "PART/images")
    write(root / "data.yml", "names:\n  0: cat\n  1: dog\n")
    for part, images in IMAGES.items():
        for name, boxes in images.items():
            if boxes:
                write(root / part / "labels" / name.replace(".png", ".txt"), yolo(boxes))


LAYOUTS = [in_coco, as_published, beside_the_images, in_voc, xml_beside_the_images, in_yolo, yolo_by_parts]


def load(
    root: Path, console: Console, shape: tuple[int, ...] = (3, HEIGHT, WIDTH), stream: bool | None = None
) -> Source:
    return read(str(root), shape, console, stream, None, RULES)


@pytest.mark.parametrize("write_layout", LAYOUTS)
def test_every_layout_gives_the_same(
    write_layout: Callable[[Path], None], tmp_path: Path, console: Console
) -> None:
    write_layout(tmp_path / "data")
    source = load(tmp_path / "data", console)
    assert source.classes == ("cat", "dog") and not source.test_split_off and not source.conversion
    assert source.validation is not None
    parts = {"train": source.train, "val": source.validation, "test": source.test}
    for part, images in IMAGES.items():
        found = parts[part]
        assert found.labels.shape == (len(images), 2, 5) and found.labels.dtype == torch.float32
        for boxes, own, image in zip(images.values(), found.labels, pixels(found), strict=True):
            wanted = [[*corners, source.classes.index(name)] for *corners, name in boxes]
            assert torch.allclose(own[: len(boxes)], torch.tensor(wanted).float().reshape(-1, 5), atol=1e-5)
            assert (own[len(boxes) :] == -1).all()
            for left, top, right, bottom, kind in own[: len(boxes)].round().int().tolist():
                assert (image[2 * kind, top:bottom, left:right] == 255).all()
    assert all(line.startswith("images without") for line in said(console).splitlines()[1:])
    assert "images without boxes, kept: 1, such as" in said(console)


def test_boxes_are_scaled_with_the_images(tmp_path: Path, console: Console) -> None:
    in_coco(tmp_path)
    source = load(tmp_path, console, (1, 20, 10))
    assert source.train.labels[0].tolist() == [[1, 2, 3, 10, 0], [4, 0, 10, 20, 1]]
    assert source.train.images.shape == (3, 1, 20, 10)
    assert source.conversion == "6 colour images of 10x20 are converted to 1x20x10"


def test_images_stay_in_their_files(tmp_path: Path, console: Console) -> None:
    in_coco(tmp_path)
    streamed, loaded = load(tmp_path, console, stream=True), load(tmp_path, console)
    assert not isinstance(streamed.train.images, torch.Tensor)
    assert torch.equal(streamed.train.labels, loaded.train.labels)
    assert torch.equal(streamed.train.moments, loaded.train.moments)


def single(root: Path, count: int) -> dict[str, Any]:
    """One file for all images, which are in `images`."""
    names: dict[str, Boxes] = {f"{i:02}.png": [(i / 2, 0, i / 2 + 4, 4, "cat")] for i in range(count)}
    layout(root, {"": names}, "images")
    return coco(names)


def test_a_fixed_tenth_is_for_the_test(tmp_path: Path, console: Console) -> None:
    value = single(tmp_path, 20)
    write(tmp_path / "annotations.json", value)
    source, again = load(tmp_path, console), load(tmp_path, console)
    assert (len(source.train), len(source.test), source.test_split_off) == (18, 2, True)
    assert source.validation is None
    assert torch.equal(source.test.labels, again.test.labels)
    every = torch.cat((source.train.labels, source.test.labels))[:, 0, 0]
    assert every.sort().values.tolist() == [i / 2 for i in range(20)]


def test_validation_is_the_test_if_there_is_no_other(tmp_path: Path, console: Console) -> None:
    in_coco(tmp_path)
    (tmp_path / "test.json").unlink()
    source = load(tmp_path, console)
    assert source.validation is None and len(source.test) == 2 and not source.test_split_off
    assert "no test images: those for validation are the test" in said(console)


def test_whatever_is_wrong_is_counted(tmp_path: Path, console: Console) -> None:
    value = single(tmp_path, 8)
    boxes = [
        [5, 5, 0, 4],
        [5, 5, -3, 4],
        [30, 5, 3, 4],
        [-2, 1, 4, 4],
        [15, 5, 1e30, 4],
        [1, 1, 2, 2],
        [1, 1, 2, 2],
    ]
    own = value["annotations"]
    own += [{"id": 900 + i, "image_id": 7, "category_id": 3, "bbox": box} for i, box in enumerate(boxes)]
    own.append({"image_id": 7, "category_id": 3, "bbox": [1, 1, 9, 9], "iscrowd": 1})
    own.append({"image_id": 7, "category_id": 4, "bbox": [1, 1, 9, 9]})
    own.append({"image_id": 7, "category_id": 3, "bbox": []})
    own.append({"image_id": 5, "category_id": 3, "bbox": [1, 1, 9, 9]})
    own.append({"id": 900, "image_id": 7, "category_id": 3, "bbox": [1, 1, 9, 9]})
    value["images"] += [
        {"id": 1000, "file_name": "gone.png"},
        {"id": 1001, "file_name": "../../outside.png"},
        {"id": 7, "file_name": "02.png"},
        {"id": 1002, "file_name": r"C:\data\00.png"},
    ]
    save(tmp_path.parent / "outside.png")
    save(tmp_path / "images" / "02.png", height=20, width=40)
    save(tmp_path / "images" / "03.png", height=20, width=20)
    (tmp_path / "images" / "04.png").write_bytes(b"")
    write(tmp_path / "annotations.json", value)
    write(tmp_path / "package.json", {"name": "other"})
    source = load(tmp_path, console)
    assert said(console).splitlines() == [
        f"left out, an empty file: {tmp_path}/images/04.png",
        "no boxes for training of `dog`",
        "JSON files without `images` and `annotations`, not used: 1, such as package.json",
        "missing images, left out: 2, such as gone.png of annotations.json",
        "images with an id that is taken, left out: 1, such as 02.png",
        "boxes of crowds, ignored: 1, such as images/01.png",
        "boxes of unknown classes, dropped: 1, such as category_id 4 in images/01.png",
        "annotations without four numbers of a box, dropped: 1, such as images/01.png",
        "boxes of unknown images, dropped: 1, such as image_id 5 in annotations.json",
        "boxes with an id that is taken, kept: 1, such as id 900 in annotations.json",
        "images that are listed twice, their boxes joined: 1, such as images/00.png",
        "boxes of no size, dropped: 2, such as [5, 5, 5, 9] in images/01.png",
        "boxes outside their image, dropped: 1, such as [30, 5, 33, 9] in images/01.png",
        "boxes beyond their image, clipped: 2, such as [-2, 1, 2, 5] in images/01.png",
        "boxes that occur twice, dropped: 1, such as [1, 1, 3, 3] in images/01.png",
        "images of another size than annotated, boxes scaled: 1, such as images/02.png: 20x40, not 10x20",
        "images of another size than annotated, left out: 1, such as images/03.png: 20x20, not 10x20",
    ]
    labels = torch.cat((source.train.labels, source.test.labels))
    (crowded,) = labels[(labels[:, :, 4] >= 0).sum(1) > 1]
    assert sorted(crowded[crowded[:, 4] >= 0].tolist()) == [
        [0, 1, 2, 5, 0],
        [0.5, 0, 4.5, 4, 0],
        [1, 1, 3, 3, 0],
        [1, 1, 10, 10, 0],
        [15, 5, 20, 9, 0],
    ]
    assert len(labels) == 6
    scaled = labels[(labels[:, 0, 0] == 1) & (labels[:, 0, 1] == 0)]
    assert scaled[0, 0].tolist() == [1, 0, 5, 4, 0]


def test_numbers_that_are_not_finite_are_dropped(tmp_path: Path, console: Console) -> None:
    in_yolo(tmp_path)
    write(tmp_path / "labels" / "train" / "a.txt", "0 nan 0.5 0.5 0.5\n\n1 0.5 inf 1 1\n7 0.5 0.5 1 1\n")
    load(tmp_path, console)
    assert "boxes that are not finite numbers, dropped: 2, such as [nan, " in said(console)
    assert "unknown classes, dropped: 1, such as class 7 in labels/train/a.txt" in said(console)


def test_coordinates_that_are_counted_from_zero(tmp_path: Path, console: Console) -> None:
    xml_beside_the_images(tmp_path)
    text = (tmp_path / "train" / "a.xml").read_text().replace("<xmin>3<", "<xmin>0<")
    write(tmp_path / "train" / "a.xml", text)
    source = load(tmp_path, console)
    assert source.train.labels[0, 0].tolist() == [0, 2, 6, 5, 0]
    assert "pixels are counted from 0" in said(console)


def test_voc_without_what_it_should_have(tmp_path: Path, console: Console) -> None:
    in_voc(tmp_path)
    root = tmp_path / "VOC2012"
    write(root / "other.xml", "<project/>")
    (root / "JPEGImages" / "train_b.png").unlink()
    (root / "Annotations" / "val_d.xml").unlink()
    save(root / "JPEGImages" / "free.png")
    write(root / "Annotations" / "free.xml", voc([]))
    empty = "<object><name>cat</name></object><object><bndbox/></object>"
    write(root / "Annotations" / "test_e.xml", f"<annotation>{empty}</annotation>")
    with pytest.raises(RunError, match="no boxes for test"):
        load(tmp_path, console)
    odd = "<object><name> a\n cat</name><bndbox><xmin>x</xmin></bndbox></object>"
    xml = voc([(1, 1, 3, 3, "cat")]).replace("</annotation>", f"{empty}{odd}</annotation>")
    write(root / "Annotations" / "test_e.xml", xml)
    assert load(tmp_path, console).classes == ("a cat", "cat", "dog")
    text = said(console)
    for line in (
        "XML files without annotations, not used: 1, such as VOC2012/other.xml",
        "missing images, left out: 1, such as that of VOC2012/Annotations/train_b.xml",
        "images of ImageSets/Main without annotations, left out: 1, such as VOC2012/val_d",
        "images in no list of ImageSets/Main, not used: 1, such as VOC2012/JPEGImages/free.png",
        "objects without a box, dropped: 1, such as VOC2012/JPEGImages/test_e.png",
        "objects without a class, dropped: 1, such as VOC2012/JPEGImages/test_e.png",
        "boxes that are not finite numbers, dropped: 1",
        "no boxes for training of `a cat`",
    ):
        assert line in text


def test_yolo_without_names(tmp_path: Path, console: Console) -> None:
    in_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "labels" / "train" / "a.txt").rename(tmp_path / "labels" / "train" / "zzz.txt")
    assert load(tmp_path, console).classes == ("0", "1")
    text = said(console)
    assert "no names of classes in data.yaml or classes.txt: they are 0 to 1" in text
    assert "missing images, left out: 1, such as that of labels/train/zzz.txt" in text
    assert "images without a file of labels, kept without boxes: 1, such as images/train/a.png" in text
    write(tmp_path / "classes.txt", "cat\ndog\n\n")
    assert load(tmp_path, console).classes == ("cat", "dog")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "'
    + "&a;" * 99
    + '">]><annotation>&b;</annotation>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>'
)
NAMES_BOMB = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(99)) + "names: *b9\n"


@pytest.mark.parametrize(
    "write_layout, file, content, message",
    [
        (in_coco, "train.json", b"[" * 100_000, "nested too deeply"),
        (
            in_coco,
            "train.json",
            b'{"images": [], "annotations": ' + b"[" * 90 + b"]" * 90 + b"}",
            "too deeply",
        ),
        (in_coco, "train.json", b'{"images": [', "it is not JSON"),
        (
            in_coco,
            "train.json",
            b'{"images": [], "annotations": [], "images": []}',
            "`images` is in an object twice",
        ),
        (in_coco, "train.json", b'{"a": {"images": 1, "images": 2}}', "`images` is in an object twice"),
        (
            in_coco,
            "train.json",
            b'{"images": [], "annotations": [], "categories": NaN}',
            "NaN is not a number",
        ),
        (in_coco, "train.json", b"\xff\xfe\xfa", "it is not UTF-8 text"),
        (in_coco, "train.json", b'{"images": [], "annotations": []}', "`categories` is missing"),
        (in_coco, "train.json", b'{"images": 3, "annotations": []}', "`images` is 3, not a list"),
        (in_coco, "train.json", b'{"images": [], "annotations": [], "categories": []}', "no images"),
        (
            in_coco,
            "train.json",
            b'{"images": [{"id": "1", "file_name": "a.png"}], "annotations": [], "categories": []}',
            r"`images\[0\].id` is \"1\", not a whole number",
        ),
        (
            in_coco,
            "train.json",
            b'{"images": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, "3", 4]}], '
            b'"categories": []}',
            r"`annotations\[0\].bbox\[2\]` is \"3\", not a number",
        ),
        (
            in_coco,
            "train.json",
            b'{"images": [], "annotations": [], '
            b'"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
            "categories `a` and `b` both have id 1",
        ),
        (xml_beside_the_images, "train/a.xml", BOMB.encode(), "it defines entities, which are refused"),
        (xml_beside_the_images, "train/a.xml", OUTSIDE.encode(), "it defines entities, which are refused"),
        (xml_beside_the_images, "train/a.xml", b"<annotation>", "it is not XML"),
        (xml_beside_the_images, "train/a.xml", b"\xff\x00", "it is not XML"),
        (xml_beside_the_images, "train/a.xml", b'<?xml version="1.0" encoding="no"?><a/>', "it is not XML"),
        (in_yolo, "labels/train/a.txt", b"0 0.5 0.5 0.5\n", "line 1 is not `class x y width height`: 0 0.5"),
        (in_yolo, "labels/train/a.txt", b"0 .5 .5 .5 x\n", "line 1 is not"),
        (in_yolo, "labels/train/a.txt", b"cat .5 .5 .5 .5\n", "line 1 is not"),
        (in_yolo, "labels/train/a.txt", b"1.5 .5 .5 .5 .5\n", "begins with 1.5, not the number of a class"),
        (in_yolo, "labels/train/a.txt", b"9e99 .5 .5 .5 .5\n", "begins with 9e99"),
        (in_yolo, "labels/train/a.txt", b"0 .5 .5 .5 .5\n" * 10_001, "a.png has 10,001 boxes"),
        (in_yolo, "labels/train/a.txt", b"\xff", "it is not UTF-8 text"),
        (in_yolo, "data.yaml", b"names: [", "it is not YAML"),
        (in_yolo, "data.yaml", b"[" * 5_000, "it is not YAML"),
        (in_yolo, "data.yaml", NAMES_BOMB.encode(), "`names` is not a list of names"),
        (in_yolo, "data.yaml", b"names: !!python/object/apply:os.abort []", "`names` is not a list of names"),
        (in_yolo, "data.yaml", b"names: {1: a, 2: b}", "the keys of `names` are not 0, 1, 2"),
        (in_yolo, "data.yaml", b"names: [cat, cat]", "two classes of one name"),
        (in_yolo, "data.yaml", b"names: [a]" + b"#" * 2**18, "more than an annotation file of its kind"),
    ],
)
def test_hostile_files_are_one_line(
    write_layout: Callable[[Path], None],
    file: str,
    content: bytes,
    message: str,
    tmp_path: Path,
    console: Console,
) -> None:
    write_layout(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(RunError) as raised:
        load(tmp_path, console)
    assert re.search(message, str(raised.value)), raised.value
    assert len(str(raised.value)) < 500 and "\n" not in str(raised.value)
    assert raised.value.help


def test_a_billion_boxes(tmp_path: Path, console: Console) -> None:
    in_coco(tmp_path)
    with (tmp_path / "train.json").open("wb") as file:  # a hole in the file takes no room
        file.truncate(60 * 2**30)
    with pytest.raises(RunError, match="train.json has 61,440 MiB, more than"):
        load(tmp_path, console)


def test_padding_that_does_not_fit_into_memory(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_coco(tmp_path)
    monkeypatch.setattr("netdsl.runtime.detection.annotations.physical_memory", lambda: 100)
    with pytest.raises(RunError, match="6 images with room for 2 boxes each need"):
        load(tmp_path, console)


def test_folders_that_cannot_be_used(tmp_path: Path, console: Console) -> None:
    def fails(message: str, help: str = "expected COCO JSON") -> None:
        with pytest.raises(RunError, match=message) as raised:
            load(tmp_path / "data", console)
        assert help in raised.value.help

    fails("cannot read the folder .*data: No such file", "`--data boxes:PATH`")
    save(tmp_path / "data" / "a.png")
    fails("has no annotations of boxes")
    single(tmp_path / "data", 2)
    write(tmp_path / "data" / "val.json", coco({"00.png": [(1, 1, 2, 2, "cat")]}))
    fails("no images with annotations for training")
    write(tmp_path / "data" / "valid.json", coco({"00.png": []}))
    fails("two files have annotations for `val`: val.json and valid.json", "remove one of them")


def test_parts_that_share_images_and_images_in_none(tmp_path: Path, console: Console) -> None:
    in_coco(tmp_path)
    write(tmp_path / "test.json", coco({"c.png": [(0, 0, 4, 4, "dog")], "e.png": [(1, 2, 3, 5, "cat")]}))
    save(tmp_path / "loose" / "x.png")
    write(tmp_path / "loose" / "more.json", coco({"x.png": []}))
    (tmp_path / "train" / "c.png").rename(tmp_path / "c.png")
    load(tmp_path, console)
    assert "images that are in two parts, used in both: 1, such as c.png" in said(console)
    assert "images that are in no part such as train, not used: 1, such as loose/x.png" in said(console)


@pytest.mark.parametrize("module, write_layout", [("defusedxml", in_voc), ("yaml", in_yolo)])
def test_the_extra_is_named(
    module: str,
    write_layout: Callable[[Path], None],
    tmp_path: Path,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_layout(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RunError, match="which isn't installed") as raised:
        load(tmp_path, console)
    assert raised.value.help == 'pip install "netdsl[detection]"'


def test_ids_are_read_of_any_order(tmp_path: Path, console: Console) -> None:
    value = single(tmp_path, 4)
    value["annotations"].reverse()
    value["images"].reverse()
    write(tmp_path / "all.json", value)
    labels = load(tmp_path, console).train.labels
    assert labels[:, 0, 0].tolist() == sorted(labels[:, 0, 0].tolist(), reverse=True)


def test_blood_cells(tmp_path: Path, console: Console) -> None:
    if not ARCHIVE.is_file():
        message = "the archive of blood cells is not beside the repository"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    source = load(tmp_path / "bccd", console, (3, 48, 64))
    assert source.classes == ("Platelets", "RBC", "WBC") and source.validation is not None
    # The table of the README of the archive.
    counts = {205: [209, 2381, 214], 87: [83, 967, 87], 72: [69, 805, 71]}
    for part in (source.train, source.validation, source.test):
        kinds = part.labels[:, :, 4]
        assert kinds[kinds >= 0].long().bincount().tolist() == counts[len(part)]
        corners = part.labels[kinds >= 0][:, :4]
        assert corners.min() >= 0 and (corners.amax(0) <= torch.tensor([64, 48, 64, 48])).all()
    assert said(console) == ""


def test_boxes_are_those_of_upright_images(tmp_path: Path, console: Console) -> None:
    """An image that its orientation turns is annotated as people see it; else its boxes mean other places."""
    turned = Image.Exif()
    turned[274] = 6  # by a quarter
    names: dict[str, Boxes] = {f"{i}.png": [(1, 2, 5, 4, "cat")] for i in range(12)}
    value = coco(names)
    for i, entry in enumerate(value["images"]):
        file = save(tmp_path / entry["file_name"])
        with Image.open(file) as image:
            image.save(file, exif=turned)
        if i:  # the first is annotated as it is in its file
            entry |= {"height": WIDTH, "width": HEIGHT}
    write(tmp_path / "all.json", value)
    source = load(tmp_path, console, (3, WIDTH, HEIGHT))
    assert len(source.train) + len(source.test) == 11 and not source.conversion
    assert source.train.labels[0, 0].tolist() == [1, 2, 5, 4, 0]
    assert said(console).splitlines()[-1] == (
        "images of another size than annotated, left out: 1, such as 0.png: 20x10, not 10x20"
    )


def test_captions_of_images_are_no_boxes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / name / "a.png")
        write(tmp_path / name / "a.txt", f"a picture of a {name}")
    assert list_boxes(tmp_path) is None
    for name in ("cat", "dog"):
        write(tmp_path / name / "a.txt", "0 0.5 0.5 0.5 0.5\n")
    assert list_boxes(tmp_path) is not None


NUMBERS: st.SearchStrategy[Any] = st.sampled_from(
    [0, -1, 1, 7, 10**20, 1e308, -1e308, 0.1, True, None, "", "x", [], {}, [[]]]
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_coco_is_read_or_an_error(data: st.DataObject, tmp_path: Path) -> None:
    """Any value of a file may be another one."""
    root = tmp_path / "data"
    if not root.exists():
        layout(root, {"train": IMAGES["train"]}, "train")
    value = coco(IMAGES["train"])
    table = data.draw(st.sampled_from(sorted(value)))
    entry = data.draw(st.sampled_from(value[table]))
    key = data.draw(st.sampled_from(sorted(entry)))
    place, key = (entry[key], data.draw(st.integers(0, 3))) if key == "bbox" else (entry, key)
    place[key] = data.draw(NUMBERS)
    write(root / "train.json", value)
    with suppress(RunError):
        found = list_boxes(root)
        assert found is not None
        boxes = found.parts["train"].padded(10, 20, 3)
        real = boxes[boxes[:, :, 4] >= 0]
        assert (real[:, :2] < real[:, 2:4]).all() and real.min() >= 0 and real[:, :4].max() <= 20


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(write_layout=st.sampled_from([in_coco, xml_beside_the_images, in_yolo]), data=st.data())
def test_changed_bytes_are_read_or_an_error(
    write_layout: Callable[[Path], None], data: st.DataObject, tmp_path: Path
) -> None:
    root = tmp_path / write_layout.__name__
    if not root.exists():
        write_layout(root)
    files = sorted(file for file in root.rglob("*") if file.suffix in (".json", ".xml", ".txt", ".yaml"))
    file = data.draw(st.sampled_from(files))
    before = file.read_bytes()
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, min(len(before), start + 9)))
    file.write_bytes(before[:start] + data.draw(st.binary(max_size=6)) + before[end:])
    try:
        with suppress(RunError):
            list_boxes(root)
    finally:
        file.write_bytes(before)


def test_the_limit_of_a_file_is_above_published_ones() -> None:
    assert coco_json._MOST_BYTES > 1.2e9  # LVIS v1, the largest that is common
