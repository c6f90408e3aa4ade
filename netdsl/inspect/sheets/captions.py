"""Captions of pictures: names of images, and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

# The most letters in a line of a caption.
_WIDE = 24


class Answer(NamedTuple):
    """A class with its probability, 0 to 1."""

    name: str
    probability: float

    def line(self, before: str = "") -> str:
        """Class and probability in a line that fits the width of an image."""
        return fitting(self.name, before, f" ({self.probability:.1%})")


def predicted(probabilities: Tensor, classes: Sequence[str]) -> Answer:
    """The most likely class, from the probabilities of all classes, (K,)."""
    best = int(probabilities.argmax())
    return Answer(classes[best], float(probabilities[best]))


def short(name: str) -> str:
    """The last two parts of a path, since data sets have the class in the folder's name."""
    return "/".join(Path(name).parts[-2:])


def fitting(text: str, before: str = "", after: str = "") -> str:
    """A line that fits the width of an image; the middle of `text` is omitted if it is too long."""
    room = _WIDE - len(before) - len(after)
    start, end = (room - 1) // 2, room // 2
    shown = text if len(text) <= room else f"{text[:start]}…{text[-end:]}"
    return f"{before}{shown}{after}"
