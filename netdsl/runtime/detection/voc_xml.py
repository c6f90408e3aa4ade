"""Pascal VOC XML: a file for each image (Everingham et al. 2010)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netdsl.runtime.detection.annotations import (
    Annotated,
    Box,
    Remarks,
    Tree,
    content,
    size_of,
    text,
    unreadable,
)
from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.folders import Part, part_named

_MOST_BYTES = 2**24
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(tree: Tree, remarks: Remarks) -> tuple[dict[Part | None, list[Annotated]], tuple[str, ...]] | None:
    """The images by part, and the classes in alphabetical order; None if there is no such file.

    Raises RunError if a file is damaged.
    """
    files = tree.ending(".xml")
    if not files:
        return None
    lists = _lists(tree)
    images: dict[Part | None, list[Annotated]] = {}
    names: set[str] = set()
    annotated: set[tuple[str, ...]] = set()
    for file in files:
        root = _parsed(file)
        if root.tag != "annotation":
            remarks.add("XML files without annotations, not used", tree.name(file))
            continue
        key = tree.key(file)
        annotated.add(key)
        path = tree.images.get(key)
        if path is None:
            remarks.add("missing images, left out", f"that of {tree.name(file)}")
            continue
        image = _image(tree, path, root, remarks)
        parts = [part for part, keys in lists.items() if key in keys] if lists else [tree.part(path)]
        if not parts:
            remarks.add("images in no list of ImageSets/Main, not used", tree.name(path))
        for part in parts:
            images.setdefault(part, []).append(image)
            names |= {box[4] for box in image.boxes}
    for key in [key for keys in lists.values() for key in keys if key not in annotated]:
        remarks.add("images of ImageSets/Main without annotations, left out", "/".join(key))
    if not lists:
        for key in tree.images.keys() - annotated if annotated else ():
            remarks.add("images without annotations, not used", tree.name(tree.images[key]))
    _count_from_zero([image for part in images.values() for image in part], remarks)
    return (images, tuple(sorted(names))) if annotated else None


def _count_from_zero(images: list[Annotated], remarks: Remarks) -> None:
    """Pascal VOC counts pixels from 1, and the last one is inside; other programs count from 0."""
    if any(number < 1 for image in images for box in image.boxes for number in box[:2]):
        remarks.notes.append("coordinates of 0: pixels are counted from 0, not from 1 as in Pascal VOC")
        return
    for image in {id(image): image for image in images}.values():
        image.boxes = [
            (left - 1, top - 1, right, bottom, name) for left, top, right, bottom, name in image.boxes
        ]


def _lists(tree: Tree) -> dict[Part, set[tuple[str, ...]]]:
    """The keys of the images of each part in ImageSets/Main; `trainval` is read if there is no `train`."""
    found: dict[Part, set[tuple[str, ...]]] = {}
    files = [file for file in tree.ending(".txt") if file.parts[-3:-1] == ("ImageSets", "Main")]
    named = {file.stem for file in files}
    for file in files:
        part = "train" if file.stem == "trainval" and "train" not in named else part_named(file.stem)
        if part:
            folders = tree.key(file)[:-3]
            lines = text(file, _MOST_BYTES).splitlines()
            found.setdefault(part, set()).update((*folders, name) for name in map(str.strip, lines) if name)
    return found


def _parsed(file: Path) -> Any:
    """The root of an XML file, in which entities are refused. Raises RunError."""
    xml = require_extra("detection", "defusedxml.ElementTree", "defusedxml", f"reading {file}")
    try:
        return xml.fromstring(content(file, _MOST_BYTES))
    except RunError:
        raise
    except (xml.ParseError, ValueError, LookupError, RecursionError) as error:
        # ValueErrors: defusedxml's own, for entities; LookupError: an unknown encoding
        entities = type(error).__name__ == "EntitiesForbidden"
        reason = "it defines entities, which are refused" if entities else f"it is not XML: {error}"
        raise unreadable(file, reason) from error


def _image(tree: Tree, path: Path, root: Any, remarks: Remarks) -> Annotated:
    height, width = (_number(root, f"size/{side}") for side in ("height", "width"))
    boxes: list[Box] = []
    for each in root.iter("object"):
        name = " ".join((each.findtext("name") or "").split())
        if not name:
            remarks.add("objects without a class, dropped", tree.name(path))
        elif each.find("bndbox") is None:
            remarks.add("objects without a box, dropped", tree.name(path))
        else:
            left, top, right, bottom = (_number(each, f"bndbox/{corner}") for corner in _CORNERS)
            boxes.append((left, top, right, bottom, name))
    return Annotated(path, size_of(path, height, width), boxes)


def _number(element: Any, place: str) -> float:
    """The number at a place; NaN if there is none."""
    try:
        return float(element.findtext(place) or "nan")
    except ValueError:
        return float("nan")
