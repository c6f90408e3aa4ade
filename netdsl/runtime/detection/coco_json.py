"""COCO JSON: the images, boxes and categories of a part in one file (Lin et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated as Checked
from typing import Any

import torch

from netdsl.base.typed_json import Range, parse, typed
from netdsl.runtime.detection.annotations import (
    Annotated,
    Remarks,
    Tree,
    content,
    joined,
    part_in,
    size_of,
    unreadable,
)
from netdsl.runtime.detection.boxes import Detections
from netdsl.runtime.errors import RunError
from netdsl.runtime.folders import Part

# More than any published file has; its values take several times as much memory.
_MOST_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class _Image:
    id: int
    file_name: str
    height: Checked[float, Range(0, 1e9)] = 0
    width: Checked[float, Range(0, 1e9)] = 0


@dataclass(frozen=True, slots=True)
class _Object:
    """`bbox` is left, top, width and height."""

    image_id: int
    category_id: int
    bbox: list[float] | None = None
    iscrowd: object = 0
    id: int | None = None


@dataclass(frozen=True, slots=True)
class _Category:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class _Coco:
    images: list[_Image]
    annotations: list[_Object]
    categories: list[_Category]


def read(tree: Tree, remarks: Remarks) -> tuple[dict[Part | None, list[Annotated]], tuple[str, ...]] | None:
    """The images by part, and the classes in the order of their ids; None if there is no such file.

    Raises RunError if a file is damaged, or two are of one part.
    """
    files = {file: value for file in tree.ending(".json") if (value := _parsed(tree, file, remarks))}
    # Of COCO's own files, only these have boxes of all categories.
    instances = {file: value for file, value in files.items() if file.stem.startswith("instances")}
    parts: dict[Part | None, Path] = {}
    images: dict[Part | None, list[Annotated]] = {}
    names: dict[str, None] = {}
    for file, value in (instances or files).items():
        part = part_in(file.stem) or tree.part(file)
        if part in parts:
            raise RunError(
                f"two files have annotations for {f'`{part}`' if part else 'all images'}: "
                f"{tree.name(parts[part])} and {tree.name(file)}",
                "remove one of them, or name them after `train`, `val` and `test`",
            )
        parts[part] = file
        coco = _coco(file, value)
        images[part] = _images(tree, file, part, coco, remarks)
        names |= dict.fromkeys(each.name for each in sorted(coco.categories, key=lambda each: each.id))
    return (images, tuple(names)) if parts else None


def _coco(file: Path, value: object) -> _Coco:
    try:
        return typed(_Coco, value)
    except ValueError as error:
        raise unreadable(file, str(error)) from error


def _parsed(tree: Tree, file: Path, remarks: Remarks) -> dict[str, Any] | None:
    try:
        value = parse(content(file, _MOST_BYTES))
    except (ValueError, MemoryError) as error:
        raise unreadable(file, str(error) or "its values don't fit into memory") from error
    if isinstance(value, dict) and {"images", "annotations"} <= value.keys():
        return value
    remarks.add("JSON files without `images` and `annotations`, not used", tree.name(file))
    return None


def _images(tree: Tree, file: Path, part: Part | None, coco: _Coco, remarks: Remarks) -> list[Annotated]:
    names = _category_names(file, coco.categories)
    folders = _folders(tree, file)
    found: dict[int, Annotated] = {}
    known: set[int] = set()
    for image in coco.images:
        if image.id in known:
            remarks.add("images with an id that is taken, left out", image.file_name)
            continue
        known.add(image.id)
        path = _path(tree, folders, image.file_name)
        if path is None:
            remarks.add("missing images, left out", f"{image.file_name} of {tree.name(file)}")
            continue
        found[image.id] = Annotated(path, size_of(path, image.height, image.width), [])
    ids: set[int] = set()
    for each in coco.annotations:
        if each.image_id not in known:
            remarks.add("boxes of unknown images, dropped", f"image_id {each.image_id} in {tree.name(file)}")
        if each.image_id not in found:
            continue
        image_name = tree.name(found[each.image_id].file)
        if each.id is not None and each.id in ids:
            remarks.add("boxes with an id that is taken, kept", f"id {each.id} in {tree.name(file)}")
        elif each.id is not None:
            ids.add(each.id)
        if each.iscrowd:
            remarks.add("boxes of crowds, ignored", image_name)
        elif each.category_id not in names:
            remarks.add(
                "boxes of unknown classes, dropped", f"category_id {each.category_id} in {image_name}"
            )
        elif each.bbox is None or len(each.bbox) != 4:
            remarks.add("annotations without four numbers of a box, dropped", image_name)
        else:
            left, top, width, height = map(float, each.bbox)
            box = (left, top, left + width, top + height, names[each.category_id])
            found[each.image_id].boxes.append(box)
    return joined(found.values(), tree.root, remarks)


def _category_names(file: Path, categories: list[_Category]) -> dict[int, str]:
    names: dict[int, str] = {}
    for each in categories:
        if names.setdefault(each.id, each.name) != each.name:
            raise unreadable(file, f"categories `{names[each.id]}` and `{each.name}` both have id {each.id}")
    return names


def _folders(tree: Tree, file: Path) -> list[PurePosixPath]:
    """The folders, from the root, in which the images of a file may be, the likeliest first.

    For annotations/instances_val2017.json: annotations/val2017, annotations, val2017, images/val2017, …
    """
    own = PurePosixPath(tree.name(file)).parent
    name = file.stem.removeprefix("instances_")
    part = part_in(file.stem) or tree.part(file)
    every = {folder for each in tree.files for folder in PurePosixPath(each).parents}
    alike = sorted(folder for folder in every if part and part_in(folder.name) == part)
    likely = [own / name, own, own / "images"]
    for above in own.parents:
        likely += [above / name, above / "images" / name, above / "images", above]
    return list(dict.fromkeys([*likely, *alike]))


def _path(tree: Tree, folders: list[PurePosixPath], name: str) -> Path | None:
    """The image of this name; of a path of another machine the last part counts."""
    plain = name.replace("\\", "/")
    for wanted in (plain, plain.rpartition("/")[2]):
        for folder in folders:
            if found := tree.files.get((folder / wanted).as_posix()):
                return found
    return None


@dataclass(frozen=True, slots=True)
class Listed:
    """The images of a file of annotations with their ids, and the ids of its categories by name."""

    file: Path
    images: dict[Path, int]
    categories: dict[str, int]


def read_ids(file: Path, remarks: Remarks) -> Listed:
    """The images and categories of a file, for results that refer to them. Raises RunError."""
    tree = Tree(file.parent.parent if file.parent.name == "annotations" else file.parent)
    coco = _coco(file, _parsed(tree, file, remarks))
    folders = _folders(tree, file)
    images: dict[Path, int] = {}
    for image in coco.images:
        if (path := _path(tree, folders, image.file_name)) is None:
            remarks.add("missing images, left out", image.file_name)
        else:
            images.setdefault(path, image.id)
    names = _category_names(file, coco.categories)
    return Listed(file, images, {name: number for number, name in names.items()})


def results(
    found: Iterable[tuple[int, Detections]], categories: Sequence[int]
) -> Iterator[dict[str, int | float | list[float]]]:
    """Detections in the format of COCO's results, surest first in each image: (id, detections) of images,
    whose classes have these ids of categories.
    """
    for image, (boxes, scores, classes) in found:
        sizes = torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)
        for box, score, kind in zip(sizes.tolist(), scores.tolist(), classes.tolist(), strict=True):
            yield {"image_id": image, "category_id": categories[kind], "bbox": box, "score": score}
