"""Tiny data sets with boxes, in the layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Left, top, right, bottom and the name of the class, in pixels of an image 20 wide and 10 high.
Boxes = Sequence[tuple[float, float, float, float, str]]
CLASSES = ("cat", "dog")
HEIGHT, WIDTH = 10, 20


def save(path: Path, boxes: Boxes = (), height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A black image with a rectangle for each box, red for cats and blue for dogs."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom, name in boxes:
        pixels[int(top) : int(bottom), int(left) : int(right), 0 if name == "cat" else 2] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def coco(images: Mapping[str, Boxes]) -> dict[str, Any]:
    """The annotations of images by their names. Ids have gaps, and categories aren't in order."""
    annotations = [
        {
            "id": 100 * i + j,
            "image_id": 7 * i,
            "category_id": {"cat": 3, "dog": 90}[name],
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
        }
        for i, boxes in enumerate(images.values())
        for j, (left, top, right, bottom, name) in enumerate(boxes)
    ]
    return {
        "images": [
            {"id": 7 * i, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for i, name in enumerate(images)
        ],
        "annotations": annotations,
        "categories": [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def write(path: Path, text: object) -> Path:
    """Writes a text, or a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def voc(boxes: Boxes) -> str:
    """An XML file of Pascal VOC: pixels are counted from 1, and the last one is inside."""
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for left, top, right, bottom, name in boxes
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation>{size}{objects}</annotation>"


def yolo(boxes: Boxes) -> str:
    """The lines of YOLO text."""
    lines = [
        f"{CLASSES.index(name)} {(left + right) / 2 / WIDTH} {(top + bottom) / 2 / HEIGHT} "
        f"{(right - left) / WIDTH} {(bottom - top) / HEIGHT}\n"
        for left, top, right, bottom, name in boxes
    ]
    return "".join(lines)
