"""Words on pictures and in tables: what images are called, and what a network answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

# Letters of a caption that are as wide as its image.
_WIDE = 24


class Answer(NamedTuple):
    """A class with its probability, 0 to 1."""

    name: str
    probability: float

    def line(self, before: str = "") -> str:
        """Both in a line that is no wider than an image."""
        return fitting(self.name, before, f" ({self.probability:.1%})")


def predicted(probabilities: Tensor, classes: Sequence[str]) -> Answer:
    """The likeliest class, of the probabilities of all, (K,)."""
    best = int(probabilities.argmax())
    return Answer(classes[best], float(probabilities[best]))


def short(name: str) -> str:
    """The last two parts of a path: data sets have the class in the folder's name."""
    return "/".join(Path(name).parts[-2:])


def fitting(text: str, before: str = "", after: str = "") -> str:
    """A line that is no wider than an image; the middle of `text` is left out if need be."""
    room = _WIDE - len(before) - len(after)
    start, end = (room - 1) // 2, room // 2
    shown = text if len(text) <= room else f"{text[:start]}…{text[-end:]}"
    return f"{before}{shown}{after}"
