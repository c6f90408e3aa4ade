"""Time and memory of reading annotations as large as COCO's of 2017, beside `json.loads` alone.

    python -m benchmarks.coco_size FOLDER [--images 118287] [--boxes 860001]

Makes a file of random boxes with outlines in a new FOLDER, as large as `instances_train2017.json`, and empty
files in place of the images; then reads the folder as `data boxes` does before the images are decoded.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

from netdsl.base.typed_json import parse
from netdsl.runtime.detection.box_folder import list_boxes

CLASSES, OUTLINE = 80, 44


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--boxes", type=int, default=860_001)
    options = parser.parse_args()
    file = options.folder / "annotations" / "instances_train2017.json"
    if not file.exists():
        make(file, options.images, options.boxes)
    print(f"{file.stat().st_size / 2**20:,.0f} MiB, {options.images:,} images, {options.boxes:,} boxes")
    measured("json.loads", lambda: json.loads(file.read_bytes()))
    measured("with the check for keys that are twice", lambda: parse(file.read_bytes()))
    measured("all of the folder", lambda: list_boxes(options.folder))


def make(file: Path, images: int, boxes: int) -> None:
    draw = random.Random(0)
    folder = file.parent.parent / "train2017"
    folder.mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(exist_ok=True)
    for number in range(images):
        (folder / f"{number:012}.jpg").touch()
    # A few outlines for all: only their size counts.
    outlines = [[round(draw.uniform(0, 480), 2) for _ in range(OUTLINE)] for _ in range(100)]
    listed = ", ".join(
        f'{{"license": 3, "file_name": "{i:012}.jpg", "height": 480, "width": 640, "id": {i}}}'
        for i in range(images)
    )
    objects = ", ".join(
        f'{{"segmentation": [{outlines[i % 100]}], "area": {i}.25, "iscrowd": 0, "image_id": {i % images}, '
        f'"bbox": [{i % 500}.5, {i % 400}.25, 100.25, 60.5], "category_id": {1 + i % CLASSES}, "id": {i}}}'
        for i in range(boxes)
    )
    names = ", ".join(f'{{"supercategory": "thing", "id": {i + 1}, "name": "{i}"}}' for i in range(CLASSES))
    file.write_text(f'{{"images": [{listed}], "annotations": [{objects}], "categories": [{names}]}}')


def measured(what: str, run: Callable[[], object]) -> None:
    start = time.process_time()
    run()
    taken = time.process_time() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {taken:.1f} s of the processor, at most {most:.1f} GiB so far", flush=True)


if __name__ == "__main__":
    main()
