"""YOLO text: a file for each image with lines `class x y width height`, as fractions of the image."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from netdsl.runtime.detection.annotations import Annotated, Box, Remarks, Tree, text, unreadable
from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra
from netdsl.runtime.folders import Part

_MOST_BYTES, _MOST_OF_YAML = 2**24, 2**18
# Files with a class on each line.
_NAMES = ("classes.txt", "obj.names", "classes.names")
_MOST_CLASSES = 100_000


def read(tree: Tree, remarks: Remarks) -> tuple[dict[Part | None, list[Annotated]], tuple[str, ...]] | None:
    """The images by part, and the classes as the files of names have them; None if there are no labels.

    Raises RunError if a file is damaged.
    """
    labels: dict[tuple[str, ...], Path] = {}
    for file in tree.ending(".txt"):
        key = tree.key(file)
        if file.name in _NAMES:
            continue
        if key in tree.images:
            labels[key] = file
        elif "labels" in (folder.name.lower() for folder in file.relative_to(tree.root).parents):
            remarks.add("missing images, left out", f"that of {tree.name(file)}")
    names = _class_names(tree) if labels else None
    if names is None and not _is_yolo(labels.values()):
        return None
    numbered = {key: _boxes(file) for key, file in labels.items()}
    largest = max((number for boxes in numbered.values() for _, number in boxes), default=-1)
    if names is None:
        names = [str(number) for number in range(largest + 1)]
        remarks.notes.append(f"no names of classes in data.yaml or classes.txt: they are 0 to {largest}")
    if len(set(names)) < len(names):
        raise RunError(f"{tree.root} has two classes of one name", "rename one of them")
    images: dict[Part | None, list[Annotated]] = {}
    for key, path in tree.images.items():
        if key not in labels:
            remarks.add("images without a file of labels, kept without boxes", tree.name(path))
        boxes: list[Box] = []
        for corners, number in numbered.get(key, ()):
            if number < len(names):
                boxes.append((*corners, names[number]))
            else:
                remarks.add(
                    "boxes of unknown classes, dropped", f"class {number} in {tree.name(labels[key])}"
                )
        images.setdefault(tree.part(path), []).append(Annotated(path, (1, 1), boxes))
    return images, tuple(names)


def _is_yolo(labels: Collection[Path]) -> bool:
    """True if a file is in a folder `labels`, or all are lists of boxes: others may be captions of images."""
    if any("labels" in map(str.lower, file.parts[-3:-1]) for file in labels):
        return True
    with suppress(RunError):
        return sum(len(_boxes(file)) for file in labels) > 0
    return False


def _boxes(file: Path) -> list[tuple[tuple[float, float, float, float], int]]:
    """The corners and the number of the class of each line. Raises RunError."""
    found = []
    for number, line in enumerate(text(file, _MOST_BYTES).splitlines(), 1):
        if not (words := line.split()):
            continue
        try:
            kind, x, y, width, height = map(float, words)
        except ValueError as error:
            raise unreadable(
                file, f"line {number} is not `class x y width height`: {line.strip()[:40]}"
            ) from error
        if not (kind.is_integer() and 0 <= kind < _MOST_CLASSES):
            raise unreadable(file, f"line {number} begins with {words[0][:20]}, not the number of a class")
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        found.append((corners, int(kind)))
    return found


def _class_names(tree: Tree) -> list[str] | None:
    """The names of the classes, from the file nearest to the root; None if there is none."""
    files = sorted(tree.files.values(), key=lambda file: (len(file.parts), file.name))
    for file in files:
        if file.suffix.lower() in (".yaml", ".yml"):
            if names := _names_in_yaml(file):
                return names
        elif file.name in _NAMES:
            return [name for line in text(file, _MOST_OF_YAML).splitlines() if (name := line.strip())]
    return None


def _names_in_yaml(file: Path) -> list[str] | None:
    """The list `names` of a YAML file, or the values of a mapping from 0 on; None if it has none.

    Only the nodes of that list are read: nothing is built of other values, aliases and tags.
    """
    yaml = require_extra("detection", "yaml", "PyYAML", f"reading {file}")
    try:
        root = yaml.compose(text(file, _MOST_OF_YAML), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise unreadable(file, f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    pairs: list[tuple[Any, Any]] = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "names":
            if isinstance(value, yaml.MappingNode):
                keys = [each.value for each, _ in value.value]
                if keys != [str(number) for number in range(len(keys))]:
                    raise unreadable(file, "the keys of `names` are not 0, 1, 2 and so on")
                nodes = [each for _, each in value.value]
            else:
                nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
            named = all(isinstance(node, yaml.ScalarNode) and node.value for node in nodes)
            if nodes and named and nodes != [value]:
                return [node.value for node in nodes]
            raise unreadable(file, "`names` is not a list of names")
    return None
